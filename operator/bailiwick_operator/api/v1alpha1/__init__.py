"""The typed models of `bailiwick.dev/v1alpha1`, one module per kind."""

from bailiwick_operator.api.v1alpha1.cluster_model_provider import ClusterModelProvider
from bailiwick_operator.api.v1alpha1.model_provider import ModelProvider
from bailiwick_operator.api.v1alpha1.model_route import ModelRoute
from bailiwick_operator.api.v1alpha1.price_book import PriceBook
from bailiwick_operator.api.v1alpha1.quota import Quota
from bailiwick_operator.api.v1alpha1.tenant import Tenant
from bailiwick_operator.api.v1alpha1.tenant_binding import TenantBinding

Resource = (
    ClusterModelProvider | ModelProvider | ModelRoute | PriceBook | Quota | Tenant | TenantBinding
)
"""A typed resource of any kind."""

__all__ = [
    "ClusterModelProvider",
    "ModelProvider",
    "ModelRoute",
    "PriceBook",
    "Quota",
    "Resource",
    "Tenant",
    "TenantBinding",
]
