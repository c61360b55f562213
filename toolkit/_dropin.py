"""What twistd and twist find of the toolkit; every `twistd --help` on the machine imports it."""

from twisted.application.service import ServiceMaker

toolkit = ServiceMaker(
    "Toolkit",
    "toolkit._twistd",
    "Any set of services in one process: one log, started in order, stopped in order.",
    "toolkit",
)
