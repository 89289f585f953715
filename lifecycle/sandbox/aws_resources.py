"""What the AWS emulator holds from its first moment: an administrator, two buckets, a network and a cluster.

Written straight into moto's backends before it serves; ids that a spec may refer to are fixed.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING
from unittest.mock import patch

from lifecycle.sandbox.bootstrap_file import AWS_ACCOUNT_ID, AWS_REGION, AwsBootstrap

if TYPE_CHECKING:
    from moto.ec2.models import EC2Backend

STATE_BUCKET = "lifecycle-sandbox-tfstate"
FEATURES_BUCKET = "lifecycle-sandbox-features"
FEATURES_KEY = "features/customers.csv"
CLUSTER = "lifecycle-sandbox"
VPC_ID = "vpc-0a1b2c3d4e5f60001"
SUBNET_IDS = ("subnet-0a1b2c3d4e5f60001", "subnet-0a1b2c3d4e5f60002")
_ADMINISTRATOR = "lifecycle-sandbox-admin"
_ALLOW_ALL = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "*", "Resource": "*"}]}
_FEATURES = b"customer_id,churn_score\n1,0.12\n2,0.57\n"


def seed_administrator(keys: AwsBootstrap) -> None:
    """Create the administrator with exactly the access key of `bootstrap.json`; a second call changes nothing."""
    from moto.iam.models import iam_backends

    backend = iam_backends[AWS_ACCOUNT_ID]["aws"]
    if any(user.name == _ADMINISTRATOR for user in backend.users.values()):
        return
    backend.create_user(AWS_REGION, _ADMINISTRATOR)
    backend.put_user_policy(_ADMINISTRATOR, "everything", json.dumps(_ALLOW_ALL))
    key = backend.create_access_key(_ADMINISTRATOR)
    del backend.access_keys[key.physical_resource_id]
    key.access_key_id = keys.access_key_id
    key.secret_access_key = keys.secret_access_key.get_secret_value()
    backend.access_keys[keys.access_key_id] = key


def seed_buckets() -> None:
    """Create the versioned, encrypted bucket for Terraform's state and the bucket that the sandbox's role reads."""
    from moto.s3.models import s3_backends

    backend = s3_backends[AWS_ACCOUNT_ID]["aws"]
    for name in (STATE_BUCKET, FEATURES_BUCKET):
        if name in backend.buckets:
            continue
        backend.create_bucket(name, AWS_REGION)
        backend.put_bucket_versioning(name, "Enabled")
        rule = {"ApplyServerSideEncryptionByDefault": {"SSEAlgorithm": "AES256"}}
        backend.put_bucket_encryption(name, {"Rule": rule})
    if not backend.buckets[FEATURES_BUCKET].keys.get(FEATURES_KEY):
        backend.put_object(FEATURES_BUCKET, FEATURES_KEY, _FEATURES)


def seed_network() -> None:
    """Create the VPC with two subnets and the ECS cluster; slow, as it loads moto's EC2 (about a second)."""
    from moto.ec2.models import ec2_backends
    from moto.ecs.models import ecs_backends

    ec2 = ec2_backends[AWS_ACCOUNT_ID][AWS_REGION]
    if VPC_ID not in ec2.vpcs:
        _create_network(ec2)
    ecs = ecs_backends[AWS_ACCOUNT_ID][AWS_REGION]
    if CLUSTER not in ecs.clusters:
        ecs.create_cluster(CLUSTER)


def _create_network(ec2: EC2Backend) -> None:
    tags = [{"Key": "Name", "Value": CLUSTER}]
    # moto draws ids at random and takes none; a committed spec needs the same ones in every instance.
    with patch("moto.ec2.models.vpcs.random_vpc_id", return_value=VPC_ID):
        ec2.create_vpc("10.20.0.0/16", tags=tags)
    with patch("moto.ec2.models.subnets.random_subnet_id", side_effect=SUBNET_IDS):
        for index, zone in enumerate("ab"):
            subnet = ec2.create_subnet(VPC_ID, f"10.20.{index}.0/24", availability_zone=f"{AWS_REGION}{zone}")
            subnet.add_tag("Name", f"{CLUSTER}-{zone}")


def is_inactive(access_key_id: str) -> bool:
    """Whether this key exists and is switched off."""
    from moto.iam.models import iam_backends

    key = iam_backends[AWS_ACCOUNT_ID]["aws"].access_keys.get(access_key_id)
    return key is not None and key.status == "Inactive"
