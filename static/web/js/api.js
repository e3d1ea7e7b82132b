// The REST calls of the chat page.

export class ApiError extends Error {
  constructor(status, body) {
    super(body?.message ?? "The server could not be reached.");
    this.status = status;
    this.type = body?.type ?? "network";
  }
}

function csrfToken() {
  const match = document.cookie.match(/(?:^|;\s*)(?:__Host-karen_csrf|csrftoken)=([^;]+)/);
  return match ? decodeURIComponent(match[1]) : "";
}

async function request(method, address, body) {
  const headers = { Accept: "application/json" };
  if (body !== undefined) headers["Content-Type"] = "application/json";
  if (method !== "GET") headers["X-CSRFToken"] = csrfToken();
  let response;
  try {
    response = await fetch(address, {
      method,
      headers,
      credentials: "same-origin",
      body: body === undefined ? undefined : JSON.stringify(body),
    });
  } catch {
    throw new ApiError(0, null);
  }
  if (response.status === 204) return null;
  const isJson = response.headers.get("Content-Type")?.includes("json");
  const answer = isJson ? await response.json() : null;
  if (!response.ok) throw new ApiError(response.status, answer?.error);
  return answer;
}

const ROOT = "/api/v1";

/** `next` is a whole address or a cursor; both lead to the next page. */
function pageAddress(base, next) {
  if (!next) return base;
  if (next.startsWith("http") || next.startsWith("/")) {
    const { pathname, search } = new URL(next, location.origin);
    return pathname + search;
  }
  return `${base}?cursor=${encodeURIComponent(next)}`;
}

export const listConversations = (next) =>
  request("GET", pageAddress(`${ROOT}/conversations`, next));
export const getConversation = (id) => request("GET", `${ROOT}/conversations/${id}`);
export const renameConversation = (id, title) =>
  request("PATCH", `${ROOT}/conversations/${id}`, { title });
export const deleteConversation = (id) => request("DELETE", `${ROOT}/conversations/${id}`);
export const listMessages = (id, next) =>
  request("GET", pageAddress(`${ROOT}/conversations/${id}/messages`, next));
export const cancelTurn = (id) => request("POST", `${ROOT}/turns/${id}/cancel`, {});
