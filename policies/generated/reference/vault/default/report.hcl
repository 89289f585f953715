# reference: identity report, secret store default. Written by lifecycle policy generate.

# whether the own token lives
path "auth/token/lookup-self" {
  capabilities = ["read"]
}

# renewal of the own token
path "auth/token/renew-self" {
  capabilities = ["update"]
}

# which secrets exist, also those that nobody declared
path "kv/metadata/datarobot/reference" {
  capabilities = ["list"]
}

# versions and ages of feature-reader-key
path "kv/metadata/datarobot/reference/feature-reader-key" {
  capabilities = ["read"]
}

# versions and ages of legacy-ingest-key
path "kv/metadata/datarobot/reference/legacy-ingest-key" {
  capabilities = ["read"]
}

# versions and ages of pipeline-oauth
path "kv/metadata/datarobot/reference/pipeline-oauth" {
  capabilities = ["read"]
}

# what the own token may, for the evidence pack
path "sys/capabilities-self" {
  capabilities = ["update"]
}
