# reference: identity plan, secret store default. Written by lifecycle policy generate.

# whether the own token lives
path "auth/token/lookup-self" {
  capabilities = ["read"]
}

# renewal of the own token
path "auth/token/renew-self" {
  capabilities = ["update"]
}

# whether the own token could move the pin
path "sys/capabilities-self" {
  capabilities = ["update"]
}

# the pinned digest of the policy bundle, where Vault holds it
path "kv/data/datarobot/reference/lifecycle.policy" {
  capabilities = ["read"]
}
