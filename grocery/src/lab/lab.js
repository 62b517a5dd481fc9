// Sends the page's forms without leaving the page, and puts what came of them into its place.

const status = document.getElementById('status');

/** The place for the result in the page that was answered, or what the answer says instead. */
async function resultOf(answer, id) {
  const text = await answer.text();
  const isPage = answer.headers.get('content-type')?.startsWith('text/html');
  const found = isPage && new DOMParser().parseFromString(text, 'text/html').getElementById(id);
  return found ? [...found.childNodes] : [notice(text || `The lab answers ${answer.status}.`)];
}

function notice(text) {
  const paragraph = document.createElement('p');
  paragraph.className = 'notice';
  paragraph.setAttribute('role', 'alert');
  paragraph.textContent = text;
  return paragraph;
}

async function send(form) {
  const { result: id, doing } = form.dataset;
  const place = document.getElementById(id);
  const button = form.querySelector('button[type=submit]');
  if (button.getAttribute('aria-disabled') === 'true') return;
  button.setAttribute('aria-disabled', 'true');
  place.setAttribute('aria-busy', 'true');
  status.textContent = `${doing}…`;
  try {
    const answer = await fetch(form.action, { method: 'POST', body: new URLSearchParams(new FormData(form)) });
    place.replaceChildren(...(await resultOf(answer, id)));
    status.textContent = 'Done.';
  } catch {
    place.replaceChildren(notice('The lab does not answer: has it been stopped?'));
    status.textContent = '';
  }
  button.removeAttribute('aria-disabled');
  place.removeAttribute('aria-busy');
  place.querySelector('[tabindex="-1"]')?.focus();
}

document.addEventListener('submit', (event) => {
  event.preventDefault();
  send(event.target);
});
