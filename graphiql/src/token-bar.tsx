import { useEffect, useState, type FormEvent } from 'react';
import { readClaims } from './token.js';

function remaining(expiresAt: Date, nowMs: number): string {
  const minutes = Math.floor((expiresAt.getTime() - nowMs) / 60_000);
  if (minutes < 1) return 'less than a minute';
  if (minutes < 120) return `${minutes} min`;
  return minutes < 48 * 60 ? `${Math.floor(minutes / 60)} h` : `${Math.floor(minutes / 1440)} days`;
}

function Identity({ token, nowMs }: { token: string; nowMs: number }) {
  const claims = readClaims(token);
  if (token === '') return <span className="badge badge-warn">No token yet — paste one to run queries</span>;
  if (!claims) return <span className="badge badge-bad">This is not a JWT</span>;
  const { subject, tenant, role, expiresAt } = claims;
  const expired = expiresAt !== null && expiresAt.getTime() <= nowMs;
  return (
    <span
      className={`badge ${expired ? 'badge-bad' : 'badge-good'}`}
      title={expiresAt?.toLocaleString() ?? 'never expires'}
    >
      <b>{subject}</b> · {role} · tenant {tenant} ·{' '}
      {expired ? 'expired' : expiresAt ? `${remaining(expiresAt, nowMs)} left` : 'no expiry'}
    </span>
  );
}

/** The bar above GraphiQL: what this page is, who you are, and the field for the token. */
export function TokenBar({ token, onToken }: { token: string; onToken: (token: string) => void }) {
  const [editing, setEditing] = useState(token === '');
  const [draft, setDraft] = useState(token);
  const [nowMs, setNowMs] = useState(() => Date.now());
  useEffect(() => {
    const timer = setInterval(() => setNowMs(Date.now()), 15_000);
    return () => clearInterval(timer);
  }, []);

  function submit(event: FormEvent) {
    event.preventDefault();
    // People paste the whole header as often as only the token.
    const cleaned = draft.trim().replace(/^(authorization:\s*)?bearer\s+/i, '');
    setDraft(cleaned);
    onToken(cleaned);
    setEditing(cleaned === '');
  }

  return (
    <header className="token-bar">
      <span className="brand">
        <svg viewBox="0 0 32 32" aria-hidden="true">
          <rect width="32" height="32" rx="8" />
          <path d="M6 24V8l10 10L26 8v16" />
        </svg>
        MATIH <span className="brand-light">ML Service</span>
      </span>
      <Identity token={token} nowMs={nowMs} />
      {editing ? (
        <form onSubmit={submit}>
          <input
            type="password"
            autoComplete="off"
            spellCheck={false}
            aria-label="Access token"
            placeholder="Paste an access token (JWT)"
            value={draft}
            onChange={(event) => setDraft(event.target.value)}
          />
          <button type="submit">Use token</button>
        </form>
      ) : (
        <button type="button" onClick={() => setEditing(true)}>
          Change token
        </button>
      )}
    </header>
  );
}
