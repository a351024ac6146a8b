"""/products: find them, and write them one by one."""

from __future__ import annotations

from collections.abc import Callable, Container, Mapping

from chalice.app import Response

from chalicelib.catalogue import listing, products
from chalicelib.catalogue.listing import SORTS, Place
from chalicelib.catalogue.products import Changes, Content
from chalicelib.catalogue.sources import sources_of
from chalicelib.errors import NotFound
from functions.api.paging import Total, checked, page_response, read_window, text, whole_number
from functions.api.product_filters import ProductQuery, read_choice
from functions.api.product_models import (
    ListedProduct,
    Product,
    ProductChanges,
    ProductPage,
    WholeProduct,
    etag,
    expected_versions,
)
from functions.api.routes import PREFIX, Resource, resource_response
from functions.composition import backends

resource = Resource(__name__)


@resource.endpoint("GET", "/products", scope="read", query=ProductQuery, answer=ProductPage)
def list_products() -> Response:
    """Lists the products that match the filters, newest first unless `sort` says otherwise."""
    choice = read_choice(resource)
    window = read_window(resource, choice.sort, choice.kept)
    sort = SORTS[choice.sort]
    parse: Callable[[str], int | str] = whole_number if sort.key == "id" else text
    after, before = checked(window.after, parse), checked(window.before, parse)
    place = Place(sort, window.limit + 1, after=after, before=before)
    with backends().database.transaction() as transaction:
        results = listing.find(transaction, choice.filters, place)
        sources = sources_of(transaction, results.products)
    items = [ListedProduct.listed(product, sources[product.content_version]) for product in results.products]
    keys = [sort.key_of(product) for product in results.products]
    total = Total(results.total, results.total_is_estimate)
    own = {"search_index": "current" if results.index_is_current else "behind"}
    return page_response("/products", window, keys, items, total, own)


@resource.endpoint(
    "POST",
    "/products",
    scope="write",
    body=WholeProduct,
    answer=Product,
    status=201,
    errors=(409,),
    idempotent=True,
)
def create_product() -> Response:
    """Creates a product. A 409 answer names the product that has the SKU."""
    body = resource.body(WholeProduct)
    created = products.create(backends(), Content(**body.model_dump()))
    return _answer(created, status=201, headers={"Location": f"{PREFIX}/products/{created.id}"})


@resource.endpoint("GET", "/products/{product_id}", scope="read", answer=Product)
def read_product(product_id: str) -> Response:
    """Returns one product and the source of its content."""
    with backends().database.transaction() as transaction:
        product = listing.get(transaction, _id(product_id))
    return _answer(product)


@resource.endpoint("PUT", "/products/{product_id}", scope="write", body=WholeProduct, answer=Product, errors=(409, 412))
def replace_product(product_id: str) -> Response:
    """Replaces a whole product: fields that are left out get their defaults."""
    return _edit(product_id, Changes(**resource.body(WholeProduct).model_dump()))


@resource.endpoint(
    "PATCH", "/products/{product_id}", scope="write", body=ProductChanges, answer=Product, errors=(409, 412)
)
def change_product(product_id: str) -> Response:
    """Changes the given fields; the others keep their values. A running import does not overwrite the change."""
    return _edit(product_id, Changes(**resource.body(ProductChanges).given()))


@resource.endpoint("DELETE", "/products/{product_id}", scope="write", status=204, errors=(412,))
def delete_product(product_id: str) -> Response:
    """Deletes a product. A running import does not bring it back."""
    known = _id(product_id)
    products.delete(backends(), known, _expected(known))
    return Response(body="", status_code=204)


def _edit(product_id: str, changes: Changes) -> Response:
    known = _id(product_id)
    return _answer(products.edit(backends(), known, changes, _expected(known)))


def _answer(product: products.Product, *, status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    with backends().database.transaction() as transaction:
        sources = sources_of(transaction, [product])
    content = Product.of(product, sources[product.content_version])
    headers = {"ETag": etag(product), **(headers or {})}
    return resource_response(content, resource.request, status=status, headers=headers)


def _expected(product_id: int) -> Container[int] | None:
    headers = resource.request.headers
    return expected_versions(product_id, headers.get("if-match"), headers.get("if-none-match"))


def _id(given: str) -> int:
    """Parses an id. Ids are opaque to clients: another spelling of an existing id does not exist, either."""
    try:
        number = whole_number(given)
        if str(number) == given:
            return number
    except ValueError:
        pass
    raise NotFound(f"there is no product {given[:64]}")
