import { useGraphiQL, useGraphiQLActions } from '@graphiql/react';
import { useEffect, useState } from 'react';
import type { Example } from './welcome.js';

/**
 * Runs the query of a link once, as soon as there is a token, because the person who follows a link wants to see the
 * object. It only reads.
 */
export function Linked({ example, token }: { example: Example; token: string }) {
  const { run } = useGraphiQLActions();
  const { queryEditor, schema } = useGraphiQL((state) => ({ queryEditor: state.queryEditor, schema: state.schema }));
  const [isDone, setDone] = useState(false);
  useEffect(() => {
    // The schema comes after the token, and the text of the editor may have been changed meanwhile.
    if (isDone || token === '' || !schema || queryEditor?.getValue() !== example.query) return;
    setDone(true);
    void run();
  }, [isDone, token, schema, queryEditor, example, run]);
  return null;
}
