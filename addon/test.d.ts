// Types of actix-js/test: an app in the process of its tests.

/** An app that runs: the real core, on a free port of the loopback address. */
export interface App {
  /** `http://127.0.0.1:PORT` */
  readonly url: string;
  /** The global `fetch`; a string that starts with `/`, and the path of a Request, are this app's. */
  fetch(input: string | URL | Request, init?: RequestInit): Promise<Response>;
  /**
   * Waits for requests in progress within `timeouts.shutdown`, runs the `onStop` hooks, closes the port, and sets the
   * environment back.  Streams that the test has not read to their end are cut off.
   */
  close(): Promise<void>;
}

/** What an app that cannot be opened rejects with. */
export interface ManifestError extends Error {
  code: 'ERR_MANIFEST';
  problems: { at?: { file: string; line: number; col: number }; message: string }[];
}

/**
 * Opens an app: one at a time in a process.  Modules are loaded into this process, once: the instances that the test
 * itself imports.
 * @param manifest as `--config`: relative to the current folder; several are laid over each other; actix.yaml in the
 *   current folder when missing
 * @param options.env variables for the manifest and for `process.env`, until `close()`; undefined unsets one
 */
export declare function app(
  manifest?: string | string[],
  options?: { env?: Record<string, string | undefined> },
): Promise<App>;
