"""What twistd and twist find of the toolkit; every `twistd --help` on the machine imports it."""

from twisted.application.reactors import Reactor
from twisted.application.service import ServiceMaker

toolkit = ServiceMaker(
    "Toolkit",
    "toolkit._twistd",
    "Any set of services in one process: one log, started in order, stopped in order.",
    "toolkit",
)

prompt = Reactor(
    "prompt", "toolkit.reactor", "epoll(7), with streams that send once a turn (the toolkit's)."
)
