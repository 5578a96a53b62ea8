// Where the page finds the service, and whose returns it makes. A shop edits this file and deletes `sandbox.js`.

const config = {
  /** Address of the service, such as "https://returns.shop.example"; empty where the page has the same origin. */
  api: "",
  /** The shop's name at Sendcloud. */
  brand: "demo",
  /** "cookie" on the service's own site, "bearer" on any other one. */
  session: "cookie",
  /** Shows orders to try, and serves the sandbox's pictures and payments from here. */
  sandbox: true,
};

export default config;

export const sandbox = config.sandbox ? await import("./sandbox.js") : null;
