"""The outside of a sandbox, asked directly: the stores and providers, with the administrator's values."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import boto3
import botocore.exceptions
import httpx
import hvac

from tests.end_to_end.checkout import Checkout

REGION = "eu-west-1"
_VALUE_KEYS = frozenset({"secret_access_key", "api_token", "client_secret", "registration_access_token", "key"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Outside:
    """Stores and providers of a running sandbox.

    Attributes:
        bootstrap: the administrator's values.
        urls: server -> address.
        env: the environment.
    """

    bootstrap: Mapping[str, Any]
    urls: Mapping[str, str]
    env: str

    @classmethod
    def of(cls, checkout: Checkout) -> Outside:
        """The outside of the sandbox that runs now."""
        bootstrap = json.loads((checkout.state / "bootstrap.json").read_text())
        urls = {name: server["url"] for name, server in checkout.servers().items()}
        return cls(bootstrap=bootstrap, urls=urls, env=checkout.env)

    def aws(self, service: str, key: Mapping[str, str] | None = None) -> Any:
        """A boto3 client, as administrator unless a key is given."""
        login = key or self.bootstrap["aws"]
        return boto3.client(
            service,  # type: ignore[call-overload]  # any service
            endpoint_url=self.urls["aws"],
            region_name=REGION,
            aws_access_key_id=login["access_key_id"],
            aws_secret_access_key=login["secret_access_key"],
        )

    # -- stores

    def documents(self) -> dict[str, list[dict[str, Any]]]:
        """Every document that the store holds: name of the secret -> its versions."""
        return dict(self._vault_documents() if "vault" in self.urls else self._aws_documents())

    def current(self, credential: str) -> dict[str, str]:
        """The current value of a credential."""
        if "vault" in self.urls:
            document = self._vault_read(credential)
        else:
            name = f"lifecycle/{self.env}/{credential}"
            document = json.loads(self.aws("secretsmanager").get_secret_value(SecretId=name)["SecretString"])
        return {name: value for name, value in document.items() if not name.startswith("_")}

    def values(self) -> set[str]:
        """Every secret text that the stores and the bootstrap file hold."""
        found = {text for versions in self.documents().values() for item in versions for text in _texts(item)}
        admin = self.bootstrap
        names = [
            admin["aws"]["secret_access_key"],
            admin["control_token"],
            admin["datarobot"]["admin_key"],
            *(value for name, value in admin["oauth"].items()),
        ]
        if "vault" in admin:
            names += list(_strings(admin["vault"]))
        return {text for text in (*found, *names) if len(text) >= 16}

    def _aws_documents(self) -> Iterator[tuple[str, list[dict[str, Any]]]]:
        client = self.aws("secretsmanager")
        for page in client.get_paginator("list_secrets").paginate():
            for secret in page["SecretList"]:
                listed = client.list_secret_version_ids(SecretId=secret["ARN"], IncludeDeprecated=True)["Versions"]
                read = [client.get_secret_value(SecretId=secret["ARN"], VersionId=v["VersionId"]) for v in listed]
                yield secret["Name"], [json.loads(item["SecretString"]) for item in read]

    @property
    def _vault(self) -> hvac.Client:
        return hvac.Client(url=self.urls["vault"], token=self.bootstrap["vault"]["root_token"])

    def _vault_read(self, credential: str, version: int | None = None) -> dict[str, Any]:
        read = self._vault.secrets.kv.v2.read_secret_version(
            path=f"lifecycle/{self.env}/{credential}",
            mount_point="kv",
            version=version,
            raise_on_deleted_version=False,
        )
        return dict(read["data"]["data"] or {})

    def _vault_documents(self) -> Iterator[tuple[str, list[dict[str, Any]]]]:
        kv = self._vault.secrets.kv.v2
        for name in kv.list_secrets(path=f"lifecycle/{self.env}", mount_point="kv")["data"]["keys"]:
            if name.endswith("/"):
                continue
            meta = kv.read_secret_metadata(path=f"lifecycle/{self.env}/{name}", mount_point="kv")["data"]
            yield name, [self._vault_read(name, int(version)) for version in sorted(meta["versions"], key=int)]

    # -- providers

    def access_keys(self, user: str) -> set[str]:
        """Ids of every access key of a user."""
        listed = self.aws("iam").list_access_keys(UserName=user)["AccessKeyMetadata"]
        return {item["AccessKeyId"] for item in listed}

    def key_works(self, key: Mapping[str, str]) -> bool:
        """Whether AWS lets this access key in."""
        try:
            self.aws("sts", key).get_caller_identity()
        except botocore.exceptions.ClientError as error:
            assert error.response["Error"]["Code"] in ("InvalidClientTokenId", "InvalidAccessKeyId"), error
            return False
        return True

    def datarobot_works(self, token: str) -> bool:
        """Whether DataRobot lets this API key in."""
        answer = httpx.get(
            f"{self.urls['datarobot']}/api/v2/account/info/",
            headers={"Authorization": f"Bearer {token}"},
            trust_env=False,
        )
        assert answer.status_code in (200, 401), answer.text
        return answer.status_code == 200

    def client_secret_works(self, client: Mapping[str, str]) -> bool:
        """Whether the authorization server gives this client a token."""
        base = self.urls["oauth"]
        known = httpx.get(f"{base}/.well-known/openid-configuration", trust_env=False).json()
        answer = httpx.post(
            known["token_endpoint"],
            data={"grant_type": "client_credentials"},
            auth=(client["client_id"], client["client_secret"]),
            trust_env=False,
        )
        assert answer.status_code in (200, 401), answer.text
        return answer.status_code == 200

    def works(self, credential: str, value: Mapping[str, str]) -> bool:
        """Whether the provider lets this value of a sandbox credential in."""
        if "secret_access_key" in value:
            return self.key_works(value)
        return self.datarobot_works(value["api_token"]) if "api_token" in value else self.client_secret_works(value)

    # -- what a test does to the servers

    def fault(self, server: str, **fault: Any) -> None:
        """Inject a fault, as `lifecycle.sandbox.control` explains them."""
        self._control(server, "POST", json=fault)

    def no_faults(self, server: str) -> None:
        """Take every fault away."""
        self._control(server, "DELETE")

    def _control(self, server: str, method: str, **options: Any) -> None:
        url = httpx.URL(self.urls[server]).join("/__control__/faults")
        headers = {"X-Control-Token": self.bootstrap["control_token"]}
        httpx.request(method, url, headers=headers, trust_env=False, **options).raise_for_status()

    def state_is_locked(self) -> bool:
        """Whether Terraform's lock object lies beside the state."""
        found = self.aws("s3").list_objects_v2(Bucket="lifecycle-sandbox-tfstate").get("Contents", [])
        return any(item["Key"].endswith(".tflock") for item in found)


def _texts(document: Any) -> Iterator[str]:
    if isinstance(document, dict):
        for name, value in document.items():
            if name in _VALUE_KEYS and isinstance(value, str):
                yield value
            else:
                yield from _texts(value)


def _strings(document: Any) -> Iterator[str]:
    for value in document.values() if isinstance(document, dict) else document:
        if isinstance(value, str):
            yield value
        elif isinstance(value, dict | list):
            yield from _strings(value)
