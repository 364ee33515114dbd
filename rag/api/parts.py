"""The parts that every route may ask for, as litestar injects them. Builds none of them."""

from litestar.di import NamedDependency

from rag.api.permit import Permit
from rag.api.running import RunningAnswers
from rag.app import App

AppPart = NamedDependency[App]
PermitPart = NamedDependency[Permit]
RunningPart = NamedDependency[RunningAnswers]
