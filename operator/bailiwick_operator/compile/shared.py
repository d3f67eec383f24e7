"""What is wrong with resources that every tenant shares, whoever uses them."""

from collections.abc import Sequence

from bailiwick_operator.api.v1alpha1 import ClusterModelProvider, PriceBook, Tenant
from bailiwick_operator.api.v1alpha1.base import ObjectMeta
from bailiwick_operator.api.v1alpha1.tenant import NamespaceClaim, TenantSpec
from bailiwick_operator.compile.findings import Ref, Report, Reports
from bailiwick_operator.compile.prices import check_price, moment
from bailiwick_operator.compile.providers import resolve_cluster_provider
from bailiwick_operator.compile.references import readable, report
from bailiwick_operator.conditions import Reason

_ANYBODY = Tenant(
    metadata=ObjectMeta(name="tenant"),
    spec=TenantSpec(namespaces=(NamespaceClaim(name="namespace"),), currency="USD"),
)
"""Nothing that is said here depends on which tenant looks at the provider."""


def check_cluster_providers(providers: Sequence[ClusterModelProvider], reports: Reports) -> None:
    """Report each provider, used or not."""
    for provider in readable(providers, reports):
        resolve_cluster_provider(provider, _ANYBODY, "namespace", report(reports, provider))


def check_price_books(
    books: Sequence[PriceBook], providers: Sequence[ClusterModelProvider], reports: Reports
) -> None:
    """Report each book: unreadable entries are refused, entries that never count are noted.

    An entry that is refused is no price; the others of its book hold.
    """
    served = {
        provider.metadata.name: {model.name for model in provider.spec.models}
        for provider in providers
    }
    taken: dict[tuple[str, str, str], str] = {}
    for book in readable(books, reports):
        out = report(reports, book)
        for index, entry in enumerate(book.spec.entries):
            path = f"spec.entries[{index}]"
            check_price(entry.price, out, path=f"{path}.price")
            since = moment(entry.from_)
            if since is None:
                out.refuse(
                    f"{path}.from",
                    Reason.INVALID,
                    f"{entry.from_!r} is no timestamp",
                    cure='write it like "2026-08-01T00:00:00Z", in quotes',
                )
                continue
            _check_served(entry.provider, entry.model, served, out, path=path)
            mine = f"{book.metadata.name}/{entry.name}"
            other = taken.setdefault((entry.provider, entry.model, since), mine)
            if other != mine:
                out.refuse(
                    f"{path}.from",
                    Reason.DUPLICATE,
                    f"{other} prices the same model of the same provider from the same moment",
                    cure="keep one of them, or change its from",
                )


def _check_served(
    provider: str, model: str, served: dict[str, set[str]], out: Report, *, path: str
) -> None:
    if provider not in served:
        out.note(
            f"{path}.provider",
            Reason.MATCHES_NOTHING,
            f"there is no ClusterModelProvider {provider}, so nothing has this price",
            cure="correct the name, or remove the entry",
            about=Ref("ClusterModelProvider", "", provider),
        )
    elif model not in served[provider]:
        out.note(
            f"{path}.model",
            Reason.MATCHES_NOTHING,
            f"ClusterModelProvider {provider} lists no model {model}, so nothing has this price",
            cure="correct the name, or remove the entry",
        )
