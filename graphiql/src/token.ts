const STORAGE_KEY = 'matih.token';

/** What the page shows of a token. The server alone verifies it. */
export interface TokenClaims {
  subject: string;
  tenant: string;
  role: string;
  expiresAt: Date | null;
}

/**
 * The token of this browser tab. One in the address (`/graphiql#token=…`) wins and is then taken out of the address,
 * so that it does not stay in the history or in a shared link. Fragments are never sent to a server.
 */
export function loadToken(): string {
  const fragment = new URLSearchParams(location.hash.slice(1));
  const given = fragment.get('token');
  if (given !== null) {
    fragment.delete('token');
    const rest = fragment.toString();
    history.replaceState(null, '', `${location.pathname}${location.search}${rest === '' ? '' : `#${rest}`}`);
    saveToken(given);
  }
  return sessionStorage.getItem(STORAGE_KEY) ?? '';
}

export function saveToken(token: string): void {
  sessionStorage.setItem(STORAGE_KEY, token);
}

/**
 * Gives the token to pages of this service that open in other tabs, and takes theirs while this one has none: a link
 * from a terminal opens a tab of its own. What nobody keeps open any more is forgotten, as before. Only pages of the
 * same origin can listen.
 */
export function shareToken(token: string, onToken: (token: string) => void): () => void {
  const channel = new BroadcastChannel(STORAGE_KEY);
  channel.addEventListener('message', ({ data }: MessageEvent<{ token: string } | 'who has one?'>) => {
    if (data === 'who has one?') {
      if (token !== '') channel.postMessage({ token });
    } else if (token === '') {
      saveToken(data.token);
      onToken(data.token);
    }
  });
  if (token === '') channel.postMessage('who has one?');
  return () => channel.close();
}

/** The payload of a JWT, or null when the text is not one. */
export function readClaims(token: string): TokenClaims | null {
  const payload = token.split('.')[1];
  if (payload === undefined) return null;
  try {
    const bytes = Uint8Array.from(atob(payload.replaceAll('-', '+').replaceAll('_', '/')), (char) =>
      char.charCodeAt(0),
    );
    const claims = JSON.parse(new TextDecoder().decode(bytes)) as Record<string, unknown>;
    return {
      subject: String(claims.sub ?? 'unknown'),
      tenant: String(claims.tenant ?? 'unknown'),
      role: String(claims.role ?? 'unknown'),
      expiresAt: typeof claims.exp === 'number' ? new Date(claims.exp * 1000) : null,
    };
  } catch {
    return null;
  }
}
