"""Count down to 1, one line a second, and say when it is over."""

from __future__ import annotations

from typing import Any

from apps.arguments import Parser, count, seconds


def main() -> None:
    """Read the arguments, count down, print."""
    parser = Parser(prog="countdown", description=__doc__)
    parser.add_argument(
        "start", type=count(1, 1_000_000), nargs="?", default=10, help="first number (10)"
    )
    parser.add_argument(
        "--interval", type=seconds, default=1.0, metavar="SECONDS", help="between two lines (1)"
    )
    options = parser.parse_args()

    from toolkit.program import run
    from toolkit.services.countdown import count_down

    async def counts(reactor: Any) -> None:
        def tick(number: int) -> None:
            print(number, flush=True)

        await count_down(reactor, options.start, tick, options.interval)
        print("Lift-off!", flush=True)

    run(counts, program=parser.prog)


if __name__ == "__main__":
    main()
