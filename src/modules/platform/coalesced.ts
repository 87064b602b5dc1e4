/** Runs `work` soon after each `kick`, never twice at once: kicks during a run become one more run after it. */
export function coalesced(work: () => Promise<void>): { kick(): void; idle(): Promise<void> } {
  let running: Promise<void> | null = null;
  let again = false;
  const kick = () => {
    again = true;
    running ??= (async () => {
      while (again) {
        again = false;
        await work();
      }
    })().finally(() => {
      running = null;
      if (again) kick();
    });
  };
  return {
    kick,
    idle: async () => {
      while (running) await running;
    },
  };
}
