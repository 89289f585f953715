# Every resource that moto can hold, wired as a generated root wires it.

variable "agent_config" {
  type    = string
  default = "mlopsUrl: \"https://app.eu.datarobot.com\"\n"
}

resource "aws_vpc" "this" {
  cidr_block = "10.20.0.0/16"
}

resource "aws_subnet" "this" {
  vpc_id     = aws_vpc.this.id
  cidr_block = "10.20.1.0/24"
}

resource "aws_ecs_cluster" "this" {
  name = "mlops"
}

resource "aws_s3_bucket" "rendered" {
  bucket = "rendered-files"
}

module "service_account_scoring" {
  source      = "../modules/service_account"
  name        = "scoring-pipeline"
  environment = "test"
  owner       = "ml-platform"
  spec_entry  = "service_accounts.scoring-pipeline"
  kind        = "role"
  trust       = { service = "ecs-tasks", source_account = "123456789012" }
  permissions = [
    {
      sid       = "Read"
      actions   = ["s3:GetObject"]
      resources = ["arn:aws:s3:::acme-scoring/*"]
      conditions = [
        { operator = "StringEquals", key = "aws:SourceVpc", values = ["vpc-1"] },
        { operator = "Bool", key = "aws:SecureTransport", values = ["true"] },
      ]
    },
    { actions = ["ecr:GetAuthorizationToken"], resources = ["*"] },
  ]
  allow_star_resource = ["ecr:GetAuthorizationToken"]
}

module "service_account_ingest" {
  source      = "../modules/service_account"
  name        = "svc-ingest"
  environment = "test"
  owner       = "ml-platform"
  spec_entry  = "service_accounts.svc-ingest"
  kind        = "user"
  permissions = [{ actions = ["s3:PutObject"], resources = ["arn:aws:s3:::acme-ingest/*"] }]
}

module "service_account_ci" {
  source      = "../modules/service_account"
  name        = "ci"
  environment = "test"
  owner       = "ml-platform"
  spec_entry  = "service_accounts.ci"
  kind        = "role"
  trust = {
    oidc = {
      provider_arn = "arn:aws:iam::123456789012:oidc-provider/token.actions.example"
      audience     = "sts.amazonaws.com"
      subject      = "repo:acme/pipeline:ref:refs/heads/main"
    }
  }
}

module "service_account_legacy" {
  source            = "../modules/service_account"
  name              = "legacy-ingest"
  environment       = "test"
  owner             = "ml-platform"
  spec_entry        = "service_accounts.legacy-ingest"
  kind              = "existing_role"
  existing_role_arn = "arn:aws:iam::123456789012:role/path/legacy-ingest"
}

module "allowlist_egress" {
  source      = "../modules/proxy_allowlist"
  name        = "datarobot-egress"
  environment = "test"
  owner       = "ml-platform"
  spec_entry  = "allowlists.datarobot-egress"
  targets     = ["aws_security_group", "squid"]
  vpc_id      = aws_vpc.this.id
  cidr_entries = [
    { cidr = "10.30.0.0/24", description = "warehouse", ports = [443, 5432] },
    { cidr = "10.30.1.7/32", description = "metrics" },
    { cidr = "2001:db8::/32", description = "v6" },
  ]
  rendered = { "squid.conf" = "acl datarobot dstdomain .datarobot.com\n", "large.conf" = join("\n", [for i in range(400) : "line ${i} äöü"]) }
}

module "allowlist_files" {
  source          = "../modules/proxy_allowlist"
  name            = "files"
  environment     = "test"
  owner           = "ml-platform"
  spec_entry      = "allowlists.files"
  targets         = ["squid"]
  rendered        = { "squid.conf" = "acl datarobot dstdomain .datarobot.com\n" }
  rendered_bucket = aws_s3_bucket.rendered.bucket
}

module "credential_agent_key" {
  source                  = "../modules/credential_shell"
  name                    = "datarobot-agent-key"
  environment             = "test"
  owner                   = "ml-platform"
  spec_entry              = "credentials.datarobot-agent-key"
  secret_name             = "datarobot/test/datarobot-agent-key"
  description             = "Key of the monitoring agent"
  rotation_period         = "30d"
  reason                  = "PCI DSS 8.6.3, risk analysis (RA-17)"
  resource_policy_readers = [module.agent.execution_role_arn]
  rotator_role_arn        = "arn:aws:iam::123456789012:role/rotator"
}

module "agent" {
  source        = "../modules/mlops_agent"
  name          = "eu-central-1a"
  environment   = "test"
  owner         = "ml-platform"
  spec_entry    = "agents.eu-central-1a"
  cluster       = aws_ecs_cluster.this.name
  cpu           = 256
  memory        = 512
  image         = "123456789012.dkr.ecr.us-east-1.amazonaws.com/mlops-agent:11.2"
  task_role_arn = module.service_account_scoring.arn
  vpc_id        = aws_vpc.this.id
  subnet_ids    = [aws_subnet.this.id]
  egress = {
    datarobot = { prefix_list_id = module.allowlist_egress.prefix_list_ids["ipv4-443"] }
    proxy     = { cidr = "10.20.9.0/28", ports = [3128] }
  }
  spooler            = { type = "sqs", queue_name = "mlops-spool" }
  agent_config       = var.agent_config
  secret_arns        = { MLOPS_API_TOKEN = "${module.credential_agent_key.arn}:token::" }
  secret_policy_arns = [module.credential_agent_key.policy_arn]
}
