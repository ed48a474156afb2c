import time

import pytest


def test_starlette_client():
    pytest.importorskip("httpx")
    from fastapi import FastAPI
    from fastapi.testclient import TestClient
    app = FastAPI()

    @app.get("/")
    async def root():
        return {"ok": True}

    with TestClient(app) as client:
        for _ in range(5):
            assert client.get("/").json() == {"ok": True}
            time.sleep(0.02)


def test_django_client():
    pytest.importorskip("django")
    import django
    from django.conf import settings
    from django.http import HttpResponse
    from django.test import AsyncClient, Client
    from django.urls import path
    import asyncio

    async def asynchronous(request):
        return HttpResponse(b"async")

    def synchronous(request):
        time.sleep(0.02)
        return HttpResponse(b"sync")

    class Urls:
        urlpatterns = [path("a", asynchronous), path("s", synchronous)]

    settings.configure(ROOT_URLCONF=Urls, ALLOWED_HOSTS=["testserver"], SECRET_KEY="x")
    django.setup()
    client = Client()
    for _ in range(3):
        assert client.get("/a").content == b"async"
        assert client.get("/s").content == b"sync"
        time.sleep(0.02)

    async def ask():
        return (await AsyncClient().get("/a")).content

    assert asyncio.run(ask()) == b"async"
