const STORAGE_KEY = 'matih.token';

/** The parts of a token that the page shows. Only the server verifies the token. */
export interface TokenClaims {
  subject: string;
  tenant: string;
  role: string;
  expiresAt: Date | null;
}

/**
 * The token of this browser tab. A token in the URL (`/graphiql#token=…`) has priority and is then removed from the
 * URL, so that it is not in the history or in a shared link. Fragments are never sent to a server.
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
 * Gives the token to pages of this service in other tabs, and takes their token while this page has none: a link from a
 * terminal opens a new tab. When no tab is open, the token is forgotten, as before. Only pages of the same origin can
 * listen.
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

/** The payload of a JWT; null when the text is not a JWT. */
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
