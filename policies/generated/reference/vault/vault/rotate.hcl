# reference: identity rotate, secret store vault. Written by lifecycle policy generate.

# whether the own token lives
path "auth/token/lookup-self" {
  capabilities = ["read"]
}

# renewal of the own token
path "auth/token/renew-self" {
  capabilities = ["update"]
}

# credential pipeline-oauth
path "kv/data/datarobot/reference/pipeline-oauth" {
  capabilities = ["create", "read", "update"]
}

# retirement of pipeline-oauth, with its history
path "kv/metadata/datarobot/reference/pipeline-oauth" {
  capabilities = ["delete"]
}

# what is pending of pipeline-oauth
path "kv/metadata/datarobot/reference/pipeline-oauth.pending" {
  capabilities = ["list"]
}

# a pending value
path "kv/data/datarobot/reference/pipeline-oauth.pending/+" {
  capabilities = ["create", "read", "update"]
}

# its removal, with its history
path "kv/metadata/datarobot/reference/pipeline-oauth.pending/+" {
  capabilities = ["delete"]
}

# a value of the tool itself
path "kv/data/datarobot/reference/pipeline-oauth-registration" {
  capabilities = ["create", "read", "update"]
}
