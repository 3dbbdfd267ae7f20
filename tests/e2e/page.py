"""Open WebUI's chat page in Chromium, as a person uses it: sign in, choose an assistant, write, read, press Stop.

What is looked for has an id, a role or a data attribute, the same in every language of the page.
"""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from playwright.sync_api import Browser, FilePayload, Locator, Page, expect, sync_playwright

from tests.e2e.inn import Guest

SHOTS = Path(__file__).parent.parent.parent / "artifacts" / "browser"
PATIENCE = 60_000  # milliseconds that a slow machine may take for anything but a real model's answer
CALM = (
    *("--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-sync"),
    *("--disable-background-networking", "--disable-component-update"),
)

#: The id of the newest answer. (The page drops the oldest from view, so counting them tells nothing.)
NEWEST = "() => [...document.querySelectorAll('.chat-assistant')].at(-1)?.closest('[id^=message-]').id"

#: The text of the newest answer, if it is longer than what was seen before.
LONGER = """seen => {
    const text = [...document.querySelectorAll('#response-content-container')].at(-1)?.innerText ?? '';
    return text.length > seen.length ? text : null;
}"""

OPACITY = "entry => getComputedStyle(entry).opacity"


def find_chromium() -> str | None:
    """Debian's Chromium."""
    return shutil.which("chromium") or shutil.which("chromium-browser")


@contextmanager
def chromium(executable: str) -> Iterator[Browser]:
    """A running browser, without a window."""
    with sync_playwright() as play:
        browser = play.chromium.launch(executable_path=executable, headless=True, args=CALM)
        try:
            yield browser
        finally:
            browser.close()


class ChatPage:
    """One person's browser window. `strangers` are the addresses that the page asked outside of the house;
    `shots` begins the names of its pictures."""

    def __init__(self, page: Page, url: str, patience: int, shots: str = "") -> None:
        self.page, self.url, self.patience, self._shots = page, url, patience, shots
        self.strangers: list[str] = []
        page.set_default_timeout(patience)
        page.on("request", lambda request: self._note(request.url))

    def _note(self, url: str) -> None:
        if not url.startswith((self.url, "data:", "blob:", self.url.replace("http", "ws", 1))):
            self.strangers.append(url)

    def shot(self, name: str) -> None:
        """Keep what a person sees now."""
        SHOTS.mkdir(parents=True, exist_ok=True)
        self.page.screenshot(path=SHOTS / f"{self._shots}{name}.png", animations="disabled")

    # ── arriving ──

    def sign_in(self, guest: Guest) -> None:
        """Sign in through the form."""
        self.page.goto(self.url)
        self.page.fill("#email", guest.email)
        self.shot("login")
        self.page.fill("#password", guest.password)
        self.page.keyboard.press("Enter")
        self._is_ready()

    def enter(self, guest: Guest) -> None:
        """Come in already signed in."""
        self.page.add_init_script(f"localStorage.token = {json.dumps(guest.token)}")
        self.new_chat()

    def new_chat(self) -> None:
        """Leave the chat for an empty one."""
        self.page.goto(self.url)
        self._is_ready()

    def _is_ready(self) -> None:
        expect(self.page.locator("#chat-input")).to_be_visible(timeout=self.patience)
        expect(self.page.locator("#model-selector-model-button")).to_be_visible(timeout=self.patience)

    # ── assistants ──

    def offered(self) -> dict[str, str]:
        """What the model selector offers: id -> name."""
        self.page.click("#model-selector-model-button")
        options = self.page.locator("[role=option][data-value]")
        expect(options.first).to_be_visible(timeout=self.patience)
        found = {str(one.get_attribute("data-value")): one.inner_text().splitlines()[0] for one in options.all()}
        self.shot(f"models-{len(found)}")
        self.page.keyboard.press("Escape")
        expect(options.first).to_be_hidden(timeout=self.patience)
        return found

    def choose(self, model: str) -> None:
        """Choose an assistant in the model selector."""
        self.page.click("#model-selector-model-button")
        self.page.click(f"[role=option][data-value='{model}']")

    # ── talking ──

    def attach(self, name: str, text: str) -> None:
        """Give a text file to the next message; returns when Open WebUI has taken it or failed to."""
        file: FilePayload = {"name": name, "mimeType": "text/plain", "buffer": text.encode()}
        with self.page.expect_event("requestfinished", lambda request: "/process/status" in request.url):
            self.page.locator("input[type=file]").first.set_input_files(file)  # what “Upload Files” opens

    def say(self, text: str) -> None:
        """Write a message and send it; returns when the answer's place is there."""
        before = self.page.evaluate(NEWEST)
        self.page.click("#chat-input")
        self.page.keyboard.insert_text(text)
        self.page.click("#send-message-button")
        self.page.wait_for_function(f"before => ({NEWEST})() !== before", arg=before)

    @property
    def answer(self) -> Locator:
        """The newest answer, with the box of its error if it has one."""
        return self.page.locator(".chat-assistant").last

    def read_on(self, seen: str = "") -> str:
        """Wait until more than `seen` of the newest answer is there, and read it."""
        return str(self.page.wait_for_function(LONGER, arg=seen).json_value())

    def read(self) -> str:
        """The newest answer, once it has ended, with the sentence of its error if it has one."""
        expect(self.page.locator("[role=listitem]").last.locator("#continue-response-button")).to_be_visible(
            timeout=self.patience
        )
        return self.answer.inner_text().strip()

    def rest(self) -> None:
        """Wait until the page takes the next message: the background tasks have ended too."""
        expect(self.page.locator("#send-message-button")).to_be_visible(timeout=self.patience)

    def controls(self) -> set[str]:
        """The buttons around the place to write in."""
        buttons = self.page.locator("form:has(#chat-input) button:visible").all()
        return {str(one.get_attribute("id") or one.get_attribute("aria-label")) for one in buttons}

    def stop(self) -> None:
        """Press the Stop button, which stands where Send was."""
        self.page.get_by_role("button", name="Stop", exact=True).click()

    def usage(self) -> dict[str, int]:
        """The numbers behind the newest answer's Info button."""
        text = self.page.locator("[id^='usage-']").last.text_content() or ""
        return {name: int(count) for name, count in re.findall(r"(\w+): (\d+)", text)}

    def title(self) -> Locator:
        """The chat's title at the top."""
        return self.page.locator("h1").first

    def menu(self) -> dict[str, bool]:
        """The entries behind the plus sign: name -> whether it may be used."""
        self.page.click("#input-menu-button")
        entries = self.page.locator("[role=menuitem]")
        expect(entries.first).to_be_visible(timeout=self.patience)
        self.shot("menu")
        found = {one.inner_text().strip(): float(one.evaluate(OPACITY)) == 1 for one in entries.all()}
        self.page.keyboard.press("Escape")
        return found
