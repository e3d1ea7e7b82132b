// The REST calls of the chat page.

export class ApiError extends Error {
  constructor(status, body) {
    super(body?.message ?? "The server could not be reached.");
    this.status = status;
    this.type = body?.type ?? "network";
    this.details = body?.details ?? {};
  }
}

export function csrfToken() {
  const match = document.cookie.match(/(?:^|;\s*)(?:__Host-karen_csrf|csrftoken)=([^;]+)/);
  return match ? decodeURIComponent(match[1]) : "";
}

async function request(method, address, body, options = {}) {
  const headers = { Accept: "application/json" };
  const isForm = body instanceof FormData;
  if (body !== undefined && !isForm) headers["Content-Type"] = "application/json";
  if (method !== "GET") headers["X-CSRFToken"] = csrfToken();
  let response;
  try {
    response = await fetch(address, {
      method,
      headers,
      credentials: "same-origin",
      body: body === undefined || isForm ? body : JSON.stringify(body),
      ...options,
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

export const ROOT = "/api/v1";

/** `next` is a whole address or a cursor; both lead to the next page. */
function pageAddress(base, next, filters = {}) {
  if (next && (next.startsWith("http") || next.startsWith("/"))) {
    const { pathname, search } = new URL(next, location.origin);
    return pathname + search;
  }
  const query = new URLSearchParams(filters);
  if (next) query.set("cursor", next);
  return query.size ? `${base}?${query}` : base;
}

/** What a workspace may not have: null instead of an error when it is not there. */
export async function optional(promise) {
  try {
    return await promise;
  } catch (error) {
    if ([403, 404, 405].includes(error.status)) return null;
    throw error;
  }
}

const listed = (answer) => (Array.isArray(answer) ? answer : (answer?.results ?? []));

// -- conversations -------------------------------------------------------------------------------
export const listConversations = (next, filters = {}) =>
  request("GET", pageAddress(`${ROOT}/conversations`, next, filters));
export const getConversation = (id) => request("GET", `${ROOT}/conversations/${id}`);
export const changeConversation = (id, options) =>
  request("PATCH", `${ROOT}/conversations/${id}`, options);
export const renameConversation = (id, title) => changeConversation(id, { title });
export const deleteConversation = (id) => request("DELETE", `${ROOT}/conversations/${id}`);
/** Sent even when the page is left at that moment; `signal` takes it back. */
export const showBranch = (id, messageId, signal) =>
  request("PUT", `${ROOT}/conversations/${id}/branch`, { message_id: messageId }, { keepalive: true, signal });
export const listMessages = (id, next) =>
  request("GET", pageAddress(`${ROOT}/conversations/${id}/messages`, next, { page_size: 100 }));
export const bulk = (change) => request("POST", `${ROOT}/conversations/bulk`, change);
export const fork = (id, messageId) =>
  request("POST", `${ROOT}/conversations/${id}/fork`, { message_id: messageId });
export const exportAddress = (id, format) =>
  `${ROOT}/conversations/${id}/export?format=${encodeURIComponent(format)}`;
export function importConversations(file) {
  const form = new FormData();
  form.append("file", file, file.name);
  return request("POST", `${ROOT}/conversations/import`, form);
}
export const getImport = (id) => request("GET", `${ROOT}/imports/${id}`);
export const getGauge = (id) => request("GET", `${ROOT}/conversations/${id}/gauge`);

// -- folders -------------------------------------------------------------------------------------
export const listFolders = async () => listed(await request("GET", `${ROOT}/folders`));
export const createFolder = (name) => request("POST", `${ROOT}/folders`, { name });
export const renameFolder = (id, name) => request("PATCH", `${ROOT}/folders/${id}`, { name });
export const deleteFolder = (id) => request("DELETE", `${ROOT}/folders/${id}`);

// -- messages ------------------------------------------------------------------------------------
export const rate = (messageId, rating, comment = "") =>
  request("PUT", `${ROOT}/messages/${messageId}/feedback`, { rating, comment });
export const unrate = (messageId) => request("DELETE", `${ROOT}/messages/${messageId}/feedback`);
export const pinMessage = (messageId) => request("PUT", `${ROOT}/messages/${messageId}/pin`);
export const unpinMessage = (messageId) => request("DELETE", `${ROOT}/messages/${messageId}/pin`);

// -- turns ---------------------------------------------------------------------------------------
export const getTurn = (id) => request("GET", `${ROOT}/turns/${id}`);
export const cancelTurn = (id) => request("POST", `${ROOT}/turns/${id}/cancel`, {});
export const getContext = (id) => request("GET", `${ROOT}/turns/${id}/context`);
export const getTrace = (id) => request("GET", `${ROOT}/turns/${id}/trace`);

// -- sharing -------------------------------------------------------------------------------------
export const listShares = async (id) =>
  listed(await request("GET", `${ROOT}/conversations/${id}/shares`));
export const share = (id, wanted) => request("POST", `${ROOT}/conversations/${id}/shares`, wanted);
export const revokeShare = (id) => request("DELETE", `${ROOT}/shares/${id}`);
export const listParticipants = async (id) =>
  listed(await request("GET", `${ROOT}/conversations/${id}/participants`));
export const addParticipant = (id, userId) =>
  request("PUT", `${ROOT}/conversations/${id}/participants/${userId}`);
export const removeParticipant = (id, userId) =>
  request("DELETE", `${ROOT}/conversations/${id}/participants/${userId}`);
export const listMembers = async () => listed(await request("GET", `${ROOT}/members`));

// -- what can be chosen ----------------------------------------------------------------------------
export const listPersonas = async () => listed(await request("GET", `${ROOT}/personas`));
export const listTools = async () => listed(await request("GET", `${ROOT}/tools`));
export const listCommands = async () => listed(await request("GET", `${ROOT}/commands`));
export const search = (filters, next) => request("GET", pageAddress(`${ROOT}/search`, next, filters));

// -- files -----------------------------------------------------------------------------------------
export const listUnsent = async () =>
  listed(await request("GET", `${ROOT}/attachments?unsent=true`));
export const getAttachment = (id) => request("GET", `${ROOT}/attachments/${id}`);
export const deleteAttachment = (id) => request("DELETE", `${ROOT}/attachments/${id}`);
export const contentAddress = (id) => `${ROOT}/attachments/${id}/content`;
export const thumbnailAddress = (id) => `${ROOT}/attachments/${id}/thumbnail`;

/**
 * Upload a file; `fetch` cannot say how far it is.
 *
 * @param {File} file
 * @param {string} key  the same key again returns the first upload
 * @param {(share: number) => void} onProgress  0 to 1
 * @returns {{promise: Promise<object>, abort: () => void}}
 */
export function upload(file, key, onProgress) {
  const call = new XMLHttpRequest();
  const promise = new Promise((resolve, reject) => {
    call.open("POST", `${ROOT}/attachments`);
    call.responseType = "json";
    call.setRequestHeader("X-CSRFToken", csrfToken());
    call.setRequestHeader("Accept", "application/json");
    call.upload.addEventListener("progress", (event) => {
      if (event.lengthComputable) onProgress(event.loaded / event.total);
    });
    call.addEventListener("load", () => {
      if (call.status < 300) resolve(call.response);
      else reject(new ApiError(call.status, call.response?.error));
    });
    call.addEventListener("error", () => reject(new ApiError(0, null)));
    const form = new FormData();
    form.append("client_key", key);
    form.append("file", file, file.name);
    call.send(form);
  });
  return { promise, abort: () => call.abort() };
}
