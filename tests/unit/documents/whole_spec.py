"""A spec with one of everything, in two files and a base."""

BASE = """\
version: 1
owner: ml-platform
vars:
  region: {type: string, value: eu-west-1}
  approvals: {type: integer, value: 1}
aws: {account_id: "123456789012", region: "${var.region}", subnets: [subnet-1, subnet-2]}
approvals: {required: "${var.approvals}", group: platform-leads}
defaults:
  credentials:
    snowflake_key_pair: {rotation_period: 30d, account: acme}
allowlists:
  shared-egress:
    targets: [squid]
    entries:
      - {host: "acme.${var.region}.example.com", reason: features, expires: 2027-03-01}
"""

MAIN = """\
version: 1
environment: prod
extends: ../_base
override:
  aws: {subnets: [subnet-9]}
  vars: {approvals: {value: 2}}
  allowlists: {shared-egress: {targets: [squid, aws_security_group]}}
datarobot: {default: {endpoint: https://app.example.com/api/v2}}
backend: {s3: {bucket: acme-tfstate}}
secret_stores:
  default: {vault: {address: https://vault.acme.example, auth: {approle: {role_id: lifecycle}}}}
journal: {dynamodb: {table: lifecycle-journal}}
service_accounts:
  scoring-pipeline:
    platform: aws
    purpose: nightly batch scoring
    trust: {service: ecs-tasks}
    permissions: [{actions: [s3:GetObject], resources: ["arn:aws:s3:::acme-scoring/*"]}]
  legacy-ingest:
    platform: aws
    owner: data-team
    manage: rotate
    existing: {role_arn: arn:aws:iam::123456789012:role/legacy-ingest}
"""

MORE = """\
agents:
  eu-1:
    kind: monitoring
    runtime: {ecs_fargate: {cluster: mlops, cpu: 512, timeout: 1h30m}}
    service_account: scoring-pipeline
    spooler: {sqs: {queue: mlops-spool}}
    egress: shared-egress
    api_token: agent-key
credentials:
  agent-key:
    kind: datarobot_api_key
    principal: svc-mlops@acme.example
    rotation_period: 30d
    grace: {minimum: 1h, ceiling: 7d}
    reason: PCI DSS 8.6.3
    consumers: [{agent: eu-1}]
  snowflake-ingest:
    kind: snowflake_key_pair
    user: DATAROBOT_INGEST
    reason: RA-17
    deliver_to: [{datarobot_credential: snowflake-ingest}]
connectors:
  snowflake-features:
    kind: snowflake
    credential: snowflake-ingest
    through: shared-egress
    probe: {warehouse: INGEST_WH, can_select: [FEATURES.PUBLIC.CUSTOMER]}
"""
