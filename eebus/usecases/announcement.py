"""How our use cases are announced: the same version and sub-revision for all."""

from collections.abc import Iterable

from eebus.spine.device import LocalDevice, LocalEntity
from eebus.spine.model.node_management import UseCaseSupport


def announce(
    device: LocalDevice, entity: LocalEntity, actor: str, use_case: str, scenarios: Iterable[int]
) -> None:
    """Announce that an entity plays an actor of a use case (reference 1, SPINE 5.4)."""
    device.add_use_case(entity, actor, support_of(use_case, scenarios))


def support_of(use_case: str, scenarios: Iterable[int]) -> UseCaseSupport:
    """Our support of some scenarios of a use case."""
    return UseCaseSupport(
        use_case_name=use_case,
        use_case_version="1.0.0",
        use_case_available=True,
        scenario_support=tuple(sorted(scenarios)),
        use_case_document_sub_revision="release",
    )
