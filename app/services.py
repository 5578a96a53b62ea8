"""The objects of one process, and the dependencies by which handlers ask for those of their room.

Every dependency is a coroutine, even if it waits for nothing: FastAPI would run a plain function in a thread.
"""

from collections.abc import Awaitable, Callable
from typing import Annotated, Any, TypeVar

from fastapi import Depends, Path, Request

from app.errors import BrandNotFound
from app.http.exchange import exchange_of
from app.shops import Shops

T = TypeVar("T")


class Services:
    """The objects of one process, made once by the lifespan and found by their type."""

    def __init__(self, *services: object) -> None:
        self._by_type: dict[type, Any] = {type(each): each for each in services}

    def of(self, kind: type[T]) -> T:
        """The object of this very type."""
        found: T = self._by_type[kind]
        return found


def service_of(request: Request, kind: type[T]) -> T:
    """The object of this type, for routes that are called so often that a dependency would cost too much."""
    services: Services = request.scope["app"].state.services
    return services.of(kind)


def service(kind: type[T]) -> Callable[[Request], Awaitable[T]]:
    """The dependency that gives a handler the object of this type."""

    async def found(request: Request) -> T:
        return service_of(request, kind)

    return found


ShopsDep = Annotated[Shops, Depends(service(Shops))]


async def served_brand(
    brand: Annotated[str, Path(max_length=63, description="The domain that names the shop.", examples=["demo"])],
    shops: ShopsDep,
    request: Request,
) -> str:
    """The brand of the path.

    Raises:
        BrandNotFound: the brand is not served here.
    """
    if not shops.of(brand).is_open:
        raise BrandNotFound("not one of ours")
    exchange_of(request.scope).brand = brand
    return brand


BrandDep = Annotated[str, Depends(served_brand)]
