"""Cache policies, where users of Prefect import them from."""

from upshot.flows import (
    DEFAULT as DEFAULT,
    FLOW_PARAMETERS as FLOW_PARAMETERS,
    INPUTS as INPUTS,
    NO_CACHE as NO_CACHE,
    RUN_ID as RUN_ID,
    TASK_SOURCE as TASK_SOURCE,
    CacheKeyFnPolicy as CacheKeyFnPolicy,
    CachePolicy as CachePolicy,
)
from upshot.flows.results.cache_policies import NONE as NONE, Inputs as Inputs
