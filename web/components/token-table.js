// The columns of the list of tokens.

import { currentToken } from "../access.js";
import { remove } from "../api.js";
import { h } from "../dom.js";
import { when, whenExactly } from "../format.js";
import { noteRefused, token as ownToken } from "../session.js";
import { button } from "./button.js";
import { confirm } from "./dialog.js";
import { notify } from "./notices.js";

/**
 * @param {(token: Api.Token) => unknown} revoke
 * @returns {Ui.Column<Api.Token>[]}
 */
export const tokenColumns = (revoke) => [
  {
    title: "Name",
    class: "main-cell",
    cell: (each) => [
      h("span", { class: "breakable" }, each.name),
      h("span", { class: "origin" }, "created ", time(each.created_at)),
      isCurrent(each) && h("span", { class: "origin" }, "You are signed in with this token."),
    ],
  },
  { title: "Scope", cell: (each) => each.scope },
  {
    title: "Last used",
    cell: (each) => (each.last_used_at ? time(each.last_used_at) : h("span", { class: "hint" }, "Never")),
  },
  { title: "Valid", cell: validity },
  {
    spoken: "Actions",
    class: "action-cell",
    cell: (each) =>
      isValid(each) &&
      button("Revoke", {
        key: `revoke-${each.id}`,
        kind: "danger-quiet",
        spoken: `Revoke ${each.name}`,
        click: () => revoke(each),
      }),
  },
];

/**
 * Whether a token still gives access.
 *
 * @param {Api.Token} token
 */
export const isValid = ({ revoked_at: revoked, expires_at: expires }) =>
  !revoked && (!expires || Date.parse(expires) > Date.now());

/**
 * Asks, then revokes the token. Resolves with true once it is revoked.
 *
 * @param {Api.Token} token
 */
export async function revokeToken(token) {
  const isMine = isCurrent(token);
  const revoked = await confirm({
    title: "Revoke this token?",
    text: isMine
      ? `You are signed in with ${token.name}. You will be signed out, and need another token to come back.`
      : `${token.name} will lose access within a minute. This can't be undone.`,
    action: "Revoke",
    act: () => remove(`/api/tokens/${token.id}`),
  });
  if (!revoked) return false;
  if (isMine) noteRefused(ownToken() ?? "");
  else notify(`Token ${token.name} revoked.`);
  return true;
}

/** @param {Api.Token} token */
const isCurrent = ({ id }) => id === currentToken()?.id;

/** @param {Api.Token} token */
function validity(token) {
  if (token.revoked_at) return ["Revoked ", time(token.revoked_at)];
  if (!token.expires_at) return "Until revoked";
  return [isValid(token) ? "Until " : "Expired ", time(token.expires_at)];
}

/** @param {string} iso */
const time = (iso) => h("time", { datetime: iso, title: whenExactly(iso) }, when(iso));
