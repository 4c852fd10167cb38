"""The page as a person meets it: a headless Chromium, and the words and elements they look for."""

import os
import time

from selenium import webdriver
from selenium.common.exceptions import StaleElementReferenceException
from selenium.webdriver.chrome.service import Service
from selenium.webdriver.common.by import By
from selenium.webdriver.support.ui import WebDriverWait

BASE_URL = os.environ.get("BASE_URL", "http://127.0.0.1:8080")
EMAIL = os.environ.get("ADMIN_EMAIL", "admin@example.com")
PASSWORD = os.environ["ADMIN_PASSWORD"]
PHONE = (360, 740)
DESKTOP = (1280, 800)


class Page:
    """One browser with one tab. Every wait is bounded and fails with what was waited for."""

    def __init__(self, language, size=DESKTOP, downloads=None, dark=False, address=BASE_URL):
        options = webdriver.ChromeOptions()
        for argument in ("--headless=new", "--no-sandbox", "--disable-dev-shm-usage", f"--lang={language}"):
            options.add_argument(argument)
        # The version of a driver of one's own need not be looked up anywhere.
        options.binary_location = os.environ.get("CHROMIUM", "/usr/bin/chromium")
        options.add_experimental_option(
            "prefs", {"intl.accept_languages": language, "download.default_directory": downloads or "/nonexistent"}
        )
        options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
        self.driver = webdriver.Chrome(
            options=options, service=Service(os.environ.get("CHROMEDRIVER", "/usr/bin/chromedriver"))
        )
        self.driver.set_page_load_timeout(20)
        self.command("Emulation.setDeviceMetricsOverride", width=size[0], height=size[1], deviceScaleFactor=1,
                     mobile=size == PHONE)
        if size == PHONE:
            self.command("Emulation.setTouchEmulationEnabled", enabled=True)
        if dark:
            self.command("Emulation.setEmulatedMedia",
                         features=[{"name": "prefers-color-scheme", "value": "dark"}])
        self.driver.get(address)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.driver.quit()

    def command(self, name, **parameters):
        return self.driver.execute_cdp_cmd(name, parameters)

    def script(self, text, *arguments):
        return self.driver.execute_script(text, *arguments)

    def find(self, selector):
        return self.driver.find_element(By.CSS_SELECTOR, selector)

    def all(self, selector):
        return self.driver.find_elements(By.CSS_SELECTOR, selector)

    def wait(self, what, condition, seconds=20):
        # An element that was replaced while it was looked at is looked for again.
        wait = WebDriverWait(self.driver, seconds, 0.1, [StaleElementReferenceException])
        return wait.until(lambda _: condition(), f"waited for: {what}")

    def shown(self, selector):
        return self.wait(selector, lambda: next((e for e in self.all(selector) if e.is_displayed()), None))

    def says(self, selector, words, seconds=20):
        return self.wait(f"“{words}” in {selector}", lambda: words in self.find(selector).text, seconds)

    def click(self, selector):
        self.shown(selector).click()

    def type(self, selector, words):
        field = self.shown(selector)
        field.clear()
        field.send_keys(words)

    def sign_in(self, password=PASSWORD):
        self.type("#sign-in [name=email]", EMAIL)
        self.type("#sign-in [name=password]", password)
        self.click("#sign-in button")

    def new_item(self, code, name="Compresor", kind="equipo"):
        self.click("#new-item-open")
        self.type("#new-item [name=code]", code)
        self.type("#new-item [name=name]", name)
        self.type("#new-item [name=kind]", kind)
        self.click("#new-item .main")
        self.says("#gallery-title", code)

    def choose(self, *paths):
        self.find("#choose").send_keys("\n".join(paths))

    def card(self, filename):
        """The card of a file, once it is there."""
        return self.wait(f"the card of {filename}", lambda: next(
            (card for card in self.all("#cards li")
             if card.find_element(By.CSS_SELECTOR, ".filename").get_property("textContent") == filename), None))

    def settle(self, filename, status, seconds=60):
        self.wait(f"{filename} to be {status}",
                  lambda: self.card(filename).get_attribute("data-status") == status, seconds)
        return self.card(filename)

    def ask_for_export(self, button, words, media="originals"):
        """The row of the export that was asked for; or of the one there was."""
        self.click(button)
        self.says("#new-export-items", words)
        self.click(f"#new-export [value={media}]")
        self.photograph("new-export")
        self.click("#new-export .main")
        self.shown("#exports")
        return self.wait("the export to have the focus", lambda: next(iter(self.all("#export-list > li:focus")), None))

    def exports_of(self, id):
        return self.all(f"#export-list > li[data-id='{id}']")

    def settle_export(self, row, status, seconds=60):
        self.wait(f"the export to be {status}", lambda: row.get_attribute("data-status") == status, seconds)

    def requests(self, address):
        """How many requests to this address the page has finished, whatever their query."""
        return self.script(
            "return performance.getEntriesByType('resource')"
            ".filter(e => new URL(e.name).pathname === arguments[0]).length",
            address,
        )

    def overflow(self):
        """Pixels that stand out to the right."""
        return self.script("return document.documentElement.scrollWidth - innerWidth")

    def complaints(self):
        """What the browser's console has to say: an exception, a forbidden script or style. A request that the
        server refused, or that a test has cut, is no complaint."""
        return [entry["message"] for entry in self.driver.get_log("browser")
                if entry["level"] == "SEVERE" and entry["source"] != "network"]

    def photograph(self, name):
        """Keeps a picture for people to look at, if SCREENSHOTS says where."""
        if directory := os.environ.get("SCREENSHOTS"):
            time.sleep(0.3)  # Lets what fades in be there.
            self.driver.save_screenshot(f"{directory}/{name}.png")
