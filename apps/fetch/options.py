"""The options of the command, and which of them contradict each other."""

from __future__ import annotations

import argparse
import math

from apps.arguments import Parser, count, seconds, size

PROGRAM = "fetch"

_DESCRIPTION = "Fetch URLs, many at once, and print a line for each as it completes."
_EPILOG = """Each line: status, bytes, milliseconds, URL and, if asked for, title; or the error's
code, -, milliseconds, URL, message. Milliseconds, and the percentiles in the end, are without our
own waiting (timings.queue). SIGUSR1 prints how far it is. Status 0 when all answered below
400, 1 when any did not, 2 when nothing was asked because of a mistake in the options or a file,
130 after SIGINT, 141 when whoever read the output has gone."""


def _rate(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not 0 < value < math.inf:
        raise argparse.ArgumentTypeError(f"expected requests a second, more than 0, not {text!r}")
    return value


def _name(text: str) -> str:
    if not text:
        raise argparse.ArgumentTypeError("expected a name, not ''")
    return text


def parser() -> Parser:
    """The parser. Options that FetchSettings has too are None, or False, where not given."""
    made = Parser(prog=PROGRAM, description=_DESCRIPTION, epilog=_EPILOG)
    made.add_argument("urls", nargs="*", metavar="URL", help="http or https")
    made.add_argument(
        "-i",
        dest="input",
        type=_name,
        metavar="FILE",
        help="read more URLs from it, one a line, but for lines that begin with #; - is stdin",
    )
    made.add_argument("--unique", action="store_true", help="ask a URL that comes twice once")
    made.add_argument(
        "--dry-run", action="store_true", help="print the URLs, and connect to nothing"
    )
    _add_request(made)
    _add_results(made)
    _add_limits(made)
    _add_trust(made)
    return made


def parsed(made: Parser, arguments: list[str]) -> argparse.Namespace:
    """Parse; URLs may stand before, between and after the options.

    Args:
        made: The parser.
        arguments: The command line, without the program. What follows `--` is a URL, however it
            begins.
    """
    end = arguments.index("--") if "--" in arguments else len(arguments)
    options = made.parse_intermixed_args(arguments[:end])
    options.urls = [*options.urls, *arguments[end + 1 :]]
    return options


def _add_request(made: Parser) -> None:
    group = made.add_argument_group("what is sent")
    add = group.add_argument
    add("-X", dest="method", metavar="METHOD", help="the method (GET; POST with a body)")
    add("-H", dest="headers", action="append", default=[], metavar="'NAME: VALUE'", help="a header")
    add(
        "--data",
        action="append",
        default=[],
        metavar="DATA",
        help="a form's body, or @FILE; line ends in FILE are dropped, several are joined by &",
    )
    add("--json", action="append", default=[], metavar="JSON", help="a body, or @FILE as it is")


def _add_results(made: Parser) -> None:
    group = made.add_argument_group("what becomes of the answers")
    add = group.add_argument
    add("--format", choices=("text", "jsonl", "csv"), default="text", help="of the lines (text)")
    add("--title", action="store_true", help="find each page's title")
    add(
        "-o",
        dest="output",
        type=_name,
        metavar="FILE",
        help="save the body of one URL; - is stdout, and the line goes to stderr",
    )
    add(
        "-d",
        dest="folder",
        type=_name,
        metavar="DIR",
        help="save each body below 400 there, named by its URL",
    )
    add(
        "--check",
        type=_name,
        metavar="FILE",
        help="sha256sum's lines, each name a URL or a file's: a body must have its checksum here",
    )
    add(
        "--journal",
        type=_name,
        metavar="FILE",
        help="keep results there as JSON, and skip URLs that have one: a run can be gone on with",
    )
    add("--retry-failed", action="store_true", help="ask the journal's failed URLs again")
    add("--refresh", action="store_true", help="ask all again, for what has changed since")
    add(
        "--report",
        type=_name,
        metavar="FILE.html",
        help="write a page with the run's timeline and figures",
    )
    add("-q", "--quiet", action="store_true", help="no progress, no totals")


def _add_limits(made: Parser) -> None:
    group = made.add_argument_group("limits")
    add = group.add_argument
    add("--concurrency", type=count(1, 10_000), metavar="N", help="fetches at once (64)")
    add("--per-host", type=count(1, 10_000), metavar="N", help="of these to one origin (8)")
    add("--rate", type=_rate, metavar="N", help="requests a second to one origin (any)")
    add(
        "--timeout",
        type=seconds,
        metavar="SECONDS",
        help="for one URL in all, once its turn has come (30)",
    )
    add(
        "--connect-timeout",
        type=seconds,
        metavar="SECONDS",
        help="for name, TCP and TLS together (10)",
    )
    add(
        "--first-byte-timeout",
        type=seconds,
        metavar="SECONDS",
        help="from the request to the answer's head (30)",
    )
    add("--stall-timeout", type=seconds, metavar="SECONDS", help="of silence in a body (10)")
    add(
        "--max-bytes",
        type=size,
        metavar="SIZE",
        help="of one body, after decoding, plain or with K, M, G (16M)",
    )
    add("--max-redirects", type=count(0, 100), metavar="N", help="for one URL (5)")
    add("--allow-downgrade", action="store_true", help="follow redirects from https to http")
    add(
        "--retries",
        type=count(0, 100),
        metavar="N",
        help="more tries where that is safe (2); a run has 10 in all, and 1 for each 10 requests",
    )


def _add_trust(made: Parser) -> None:
    group = made.add_argument_group("trust")
    add = group.add_argument
    add(
        "--public-only",
        action="store_true",
        help="connect to addresses of the public internet only, redirects included",
    )
    add("--cacert", type=_name, metavar="FILE", help="PEM file of the issuers to trust")
    add("--insecure", action="store_true", help="do not verify certificates")
    add("--proxy", metavar="URL", help="ask through it; none for none (that of the environment)")
    add("--robots", action="store_true", help="ask only for what robots.txt allows")
    add("--cookies", action="store_true", help="take cookies, and give them back, during the run")


def contradiction(options: argparse.Namespace) -> str | None:
    """What is wrong with the options together, None where nothing is.

    Args:
        options: What was parsed.
    """
    rules = (
        (not options.urls and options.input is None, "there is no URL; name one, or a file of "
         "them with -i"),
        (options.output is not None and options.folder is not None, "-o and -d are two places; "
         "give one"),
        (options.output is not None and (len(options.urls) != 1 or options.input is not None),
         "-o goes with one URL; give -d a folder for several"),
        (options.retry_failed and options.journal is None, "--retry-failed needs a --journal"),
        (options.refresh and options.journal is None, "--refresh needs a --journal"),
        (options.insecure and options.cacert is not None, "--cacert says whom to trust, "
         "--insecure to trust anybody; give one"),
        (options.input == "-" and "@-" in (*options.data, *options.json),
         "standard input cannot be both the URLs and the body"),
        (options.report == "-", "--report: expected a file, not standard output"),
    )  # fmt: skip
    for wrong, message in rules:
        if wrong:
            return message
    if options.method is not None and options.method.upper() == "HEAD":
        for given, name in (
            (options.title, "--title"),
            (options.output is not None, "-o"),
            (options.folder is not None, "-d"),
            (options.check is not None, "--check"),
            (bool(options.data), "--data"),
            (bool(options.json), "--json"),
        ):
            if given:
                return f"{name} is about a body, and with -X HEAD there is none"
    return None
