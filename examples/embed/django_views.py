"""A view that tells an order after its commit: `shop/views.py` of a project."""

from django.db import transaction
from django.http import HttpRequest, JsonResponse
from shop.models import Order
from shop.talk import bus


def place_order(request: HttpRequest) -> JsonResponse:
    with transaction.atomic():
        order = Order.objects.create(user=request.user, total=request.POST["total"])
        told = {"id": str(order.pk), "place": "web", "currency": "GBP", "total": str(order.total)}
        who = f"email:{request.user.email}"
        transaction.on_commit(lambda: bus().track(who, "order.placed", told, id=f"order-{order.pk}"))
    return JsonResponse({"order": order.pk})
