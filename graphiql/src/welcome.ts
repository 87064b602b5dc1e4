/** What the page offers first: the opening tabs and the guide in the side panel. */
export interface Example {
  title: string;
  /** One sentence: what it shows. */
  why: string;
  query: string;
  variables?: string;
}

export const GREETING = `# Welcome to the MATIH ML Service.
#
#   1. Paste a token at the top ("npm start" and "npm run demo" print one).
#   2. Press ▶ or Ctrl-Enter to run the operation under the cursor.
#   3. The guide on the left opens ready-made operations; the book icon shows the documented schema.
#   4. Ctrl-Space completes fields and arguments; hovering over one explains it.
`;

export const EXAMPLES: Example[] = [
  {
    title: 'Who answers?',
    why: 'The smallest query: it proves that the address and the token are right.',
    query: `query Hello {\n  __typename\n}\n`,
  },
  {
    title: 'What can I ask?',
    why: 'Every query, mutation and subscription of the service with its explanation.',
    query: `query Operations {
  __schema {
    queryType { fields { name description } }
    mutationType { fields { name description } }
    subscriptionType { fields { name description } }
  }
}
`,
  },
];
