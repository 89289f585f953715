// A real OpenID Connect provider for tests, with one addition: two client secrets that overlap.
//
// First line on standard output: {"port", "issuer", "initial_access_token"}.
//
// Environment: NODE_MODULES_DIR (required), PORT (0 = any), TLS_CERT and TLS_KEY (files; https when
// set), GRACE (seconds that a replaced client secret lives, default 60), TOKEN_TTL (seconds, default
// 600), SCOPES (space-separated), TENANT (also answer below /TENANT, where Entra's clients ask).
//
// The two-secret policy, on top of RFC 7592 (the provider's own PUT never changes client_secret):
//   PUT without client_secret     a new secret; the replaced one lives GRACE seconds more, one that
//                                 was replaced earlier ends at once (never more than two are live).
//   PUT with the current secret   keeps it; any other value is refused with 400 (the provider's rule).
//   previous_client_secret_expires_at   seconds since 1970: GET and PUT show it once a secret was
//                                 replaced; a PUT that keeps the secret may bring it forward (a past
//                                 time ends the overlap at once), never push it back.
//   Every PUT changes the registration access token; the old one then gets 401.
// Clients live in memory: a restart forgets them.

import { generateKeyPairSync, randomBytes } from 'node:crypto';
import { readFileSync } from 'node:fs';
import http from 'node:http';
import https from 'node:https';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';

const env = process.env;
const library = join(env.NODE_MODULES_DIR, 'oidc-provider', 'lib', 'index.js');
const { default: Provider, errors } = await import(pathToFileURL(library));

const grace = Number(env.GRACE ?? 60);
const tokenTtl = Number(env.TOKEN_TTL ?? 600);
const scopes = (env.SCOPES ?? 'openid offline_access read write').split(' ');
const EXPIRY = 'previous_client_secret_expires_at';

// client_id -> { secret, expiresAt }; beside the client's metadata, so that no answer shows the value.
const replaced = new Map();
const now = () => Date.now() / 1000;
const newSecret = () => randomBytes(32).toString('base64url');

function twoSecrets(ctx, properties) {
  if (ctx.method !== 'PUT') {
    delete properties[EXPIRY];
    return;
  }
  const { client } = ctx.oidc;
  const wanted = ctx.oidc.body[EXPIRY];
  const previous = replaced.get(client.clientId);
  delete properties[EXPIRY];
  if (client.clientSecret && !('client_secret' in ctx.oidc.body)) {
    if (wanted !== undefined) {
      throw new errors.InvalidClientMetadata(`${EXPIRY} needs the current client_secret beside it`);
    }
    const expiresAt = Math.ceil(now() + grace);
    replaced.set(client.clientId, { secret: client.clientSecret, expiresAt });
    Object.assign(properties, { client_secret: newSecret(), client_secret_expires_at: 0, [EXPIRY]: expiresAt });
  } else if (previous) {
    if (wanted !== undefined && !(Number.isInteger(wanted) && wanted > 0 && wanted <= previous.expiresAt)) {
      throw new errors.InvalidClientMetadata(`${EXPIRY} can only be brought forward`);
    }
    previous.expiresAt = wanted ?? previous.expiresAt;
    properties[EXPIRY] = previous.expiresAt;
  }
}

function createProvider(issuer) {
  const { privateKey } = generateKeyPairSync('rsa', { modulusLength: 2048 });
  const signingKey = { ...privateKey.export({ format: 'jwk' }), use: 'sig', alg: 'RS256', kid: 'test' };
  const provider = new Provider(issuer, {
    scopes,
    jwks: { keys: [signingKey] },
    cookies: { keys: [newSecret()] },
    clientAuthMethods: ['client_secret_basic', 'client_secret_post', 'private_key_jwt', 'none'],
    extraClientMetadata: { properties: [EXPIRY] },
    rotateRefreshToken: true,
    ttl: { AccessToken: tokenTtl, ClientCredentials: tokenTtl, RefreshToken: 24 * 3600 },
    features: {
      clientCredentials: { enabled: true },
      devInteractions: { enabled: true },
      introspection: { enabled: true },
      revocation: { enabled: true },
      registration: { enabled: true, initialAccessToken: true, policies: { twoSecrets } },
      registrationManagement: { enabled: true, rotateRegistrationAccessToken: true },
    },
  });
  const { compareClientSecret } = provider.Client.prototype;
  provider.Client.prototype.compareClientSecret = async function eitherSecret(presented) {
    const previous = replaced.get(this.clientId);
    const overlapping = previous && now() < previous.expiresAt
      && compareClientSecret.call({ clientSecret: previous.secret }, presented);
    return (await compareClientSecret.call(this, presented)) || (await overlapping) || false;
  };
  return provider;
}

// Entra's clients ask below /TENANT/v2.0 and post to /TENANT/oauth2/v2.0/token.
function withoutTenant(url) {
  const prefix = `/${env.TENANT}`;
  if (!env.TENANT || !url.startsWith(`${prefix}/`)) return url;
  return url.slice(prefix.length).replace(/^\/oauth2\/v2\.0\/token/, '/token').replace(/^\/v2\.0/, '');
}

const secure = Boolean(env.TLS_CERT);
const server = secure
  ? https.createServer({ cert: readFileSync(env.TLS_CERT), key: readFileSync(env.TLS_KEY) })
  : http.createServer();

server.listen(Number(env.PORT ?? 0), '127.0.0.1', async () => {
  const { port } = server.address();
  const issuer = `${secure ? 'https' : 'http'}://127.0.0.1:${port}`;
  const provider = createProvider(issuer);
  const handle = provider.callback();
  server.on('request', (request, response) => {
    request.url = withoutTenant(request.url);
    handle(request, response);
  });
  const initialAccessToken = await new provider.InitialAccessToken({ policies: ['twoSecrets'] }).save();
  console.log(JSON.stringify({ port, issuer, initial_access_token: initialAccessToken }));
});
