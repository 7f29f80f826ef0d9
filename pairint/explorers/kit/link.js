// A view in the address of the page.
import { legal } from "./controls.js";

// The values that the address asks of this figure; null where it asks for something else, or is malformed.
export function readFragment(id, parameters) {
  let name, query;
  try {
    [name, query] = decodeURI(location.hash.slice(1)).split("?");
  } catch {
    return null;
  }
  if (name !== id || !query) return null;
  const given = new URLSearchParams(query);
  const known = parameters.filter((p) => given.has(p.key));
  return Object.fromEntries(known.map((p) => [p.key, legal(p, given.get(p.key))]));
}

export const writeFragment = (id, values) =>
  `#${id}?${Object.entries(values).map(([k, v]) => `${k}=${encodeURIComponent(v)}`).join("&")}`;
