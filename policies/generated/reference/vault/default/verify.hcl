# reference: identity verify, secret store default. Written by lifecycle policy generate.

# whether the own token lives
path "auth/token/lookup-self" {
  capabilities = ["read"]
}

# renewal of the own token
path "auth/token/renew-self" {
  capabilities = ["update"]
}

# the vault connector asks what it may read, reading nothing
path "sys/capabilities-self" {
  capabilities = ["update"]
}

# connectors log in with feature-reader-key
path "kv/data/datarobot/reference/feature-reader-key" {
  capabilities = ["read"]
}

# connectors log in with pipeline-oauth
path "kv/data/datarobot/reference/pipeline-oauth" {
  capabilities = ["read"]
}
