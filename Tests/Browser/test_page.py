"""Walks the page at `/` of a running suite with Chromium.

    BASE_URL=http://127.0.0.1:8080 ADMIN_PASSWORD=… python3 -m unittest discover -s Tests/Browser

Needs the Debian packages chromium, chromium-driver, python3-selenium, imagemagick and ffmpeg, a media worker and a ZIP worker.
"""

import glob
import os
import subprocess
import tempfile
import time
import unittest
import urllib.error
import urllib.parse
import urllib.request
import uuid
import zipfile

from selenium.webdriver.common.keys import Keys

from line import Line
from page import BASE_URL, DESKTOP, PHONE, Page

FILES = ["/", "/pages/app.css", "/pages/app.js", "/pages/icon.svg", "/pages/texts.js"]


class StaticFiles(unittest.TestCase):
    def open(self, path, **headers):
        return urllib.request.urlopen(urllib.request.Request(BASE_URL + path, headers=headers), timeout=10)

    def test_every_file_is_guarded_and_asked_for_each_time(self):
        for path in FILES:
            with self.subTest(path), self.open(path) as answer:
                policy = answer.headers["Content-Security-Policy"]
                for rule in ("default-src 'self'", "img-src 'self' blob:", "media-src 'self' blob:",
                             "frame-ancestors 'none'"):
                    self.assertIn(rule, policy)
                self.assertNotIn("unsafe", policy)
                self.assertEqual(answer.headers["Cache-Control"], "no-cache")
                self.assertEqual(answer.headers["Referrer-Policy"], "no-referrer")
                self.assertEqual(answer.headers["X-Content-Type-Options"], "nosniff")

    def test_who_has_a_file_already_gets_no_body(self):
        for path in FILES:
            with self.subTest(path):
                with self.open(path) as answer:
                    tag = answer.headers["ETag"]
                with self.assertRaises(urllib.error.HTTPError) as refused:
                    self.open(path, **{"If-None-Match": f'"other", W/{tag}'})
                self.assertEqual((refused.exception.code, refused.exception.read()), (304, b""))
                refused.exception.close()


class Walk(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        directory = tempfile.TemporaryDirectory()
        cls.addClassCleanup(directory.cleanup)
        cls.directory = directory.name
        cls.downloads = f"{directory.name}/downloads"
        os.mkdir(cls.downloads)

    def path(self, name):
        return f"{self.directory}/{name}"

    def photo(self, name, size="1600x1200", pattern="plasma:tomato-steelblue"):
        # No two are the same bytes, or the server would take the second for the first.
        subprocess.run(["convert", "-size", size, *pattern.split(), "-set", "comment", str(uuid.uuid4()),
                        "-quality", "90", self.path(name)], check=True, timeout=60)
        return self.path(name)

    def video(self, name):
        subprocess.run(["ffmpeg", "-v", "error", "-y", "-f", "lavfi", "-i", "testsrc2=duration=2:size=640x480:rate=25",
                        "-metadata", f"title={uuid.uuid4()}", "-pix_fmt", "yuv420p", self.path(name)],
                       check=True, timeout=60)
        return self.path(name)

    def file(self, name, content):
        with open(self.path(name), "wb") as file:
            file.write(content)
        return self.path(name)

    def cut_photo(self, name):
        with open(self.photo(name), "rb") as whole:
            beginning = whole.read(6000)
        return self.file(name, beginning)

    def open(self, language="es-ES", size=DESKTOP, dark=False, address=BASE_URL):
        page = self.enterContext(Page(language, size, self.downloads, dark, address))
        self.addCleanup(lambda: self.assertEqual(page.complaints(), []))
        return page

    def code(self):
        return f"EQ-{uuid.uuid4().hex[:8]}"

    def test_each_person_reads_their_own_language_and_may_change_it(self):
        page = self.open("en-GB")
        page.says("#sign-in-title", "Sign in")
        page.photograph("sign-in-en-desktop")
        page.click("#language")
        page.says("#sign-in-title", "Entrar")
        self.assertEqual(page.find("html").get_attribute("lang"), "es")
        page.driver.refresh()
        page.says("#sign-in-title", "Entrar")

    def test_a_wrong_password_is_refused_in_words_and_with_the_request(self):
        page = self.open()
        page.sign_in("not the password")
        page.says("#problem", "El correo o la contraseña no es correcto.")
        page.says("#problem small", "Solicitud ")
        page.photograph("sign-in-refused-es-desktop")

    def test_signing_out_leaves_nothing_behind(self):
        page = self.open()
        page.sign_in()
        page.new_item(self.code())
        page.click("#sign-out")
        page.shown("#sign-in")
        self.assertEqual(page.all("#item-list li, #cards li"), [])
        self.assertIsNone(page.script("return sessionStorage.getItem('tolva.session')"))
        page.driver.back()
        page.shown("#sign-in")

    def test_a_session_that_has_ended_leads_back_to_the_sign_in(self):
        page = self.open()
        page.sign_in()
        page.shown("#items")
        page.script("""
            const held = JSON.parse(sessionStorage.getItem('tolva.session'));
            sessionStorage.setItem('tolva.session', JSON.stringify({ ...held, token: 'tolva_ended' }));
        """)
        page.type("#search", "x")
        page.says("#problem", "La sesión terminó")
        page.shown("#sign-in")

    def test_items_are_made_and_found(self):
        page = self.open(size=PHONE)
        page.photograph("sign-in-es-phone")
        page.sign_in()
        code = self.code()
        page.new_item(code, name="Compresor de tornillo <b>Atlas</b>")
        page.says("#gallery-title", "<b>Atlas</b>")
        page.click(".back")
        page.type("#search", code.lower())
        page.wait("one item", lambda: [row.text.split()[0] for row in page.all("#item-list li")] == [code])
        page.photograph("items-es-phone")
        page.click("#new-item-open")
        page.type("#new-item [name=code]", code)
        page.type("#new-item [name=name]", "Otro")
        page.click("#new-item .main")
        page.says("#new-item .problem", "ya tiene un elemento con ese código")
        page.photograph("new-item-taken-es-phone")
        page.click("#new-item .closes")
        page.type("#search", "no such item")
        page.says("#items-note", "Nada coincide")
        self.assertLessEqual(page.overflow(), 0)

    def test_files_are_sent_together_watched_opened_fetched_and_deleted(self):
        page = self.open(size=PHONE)
        page.sign_in()
        page.new_item(self.code())
        page.choose(self.photo("uno.jpg"), self.photo("dos.jpg"), self.video("prueba.mp4"),
                    self.file("notas.txt", str(uuid.uuid4()).encode()), self.cut_photo("cortada.jpg"),
                    self.file("vacia.jpg", b""), self.file("falsa.jpg", b"<html>not a picture</html>"))
        page.says("#sending-note", "Guardados: 5. Rechazados: 2.")
        item = page.script("return location.hash.split('/')[1]")
        self.assertEqual(page.requests(f"/v1/items/{item}/assets"), 1)
        page.says("#sending-rejected", "El archivo está vacío.")
        page.says("#sending-rejected", "falsa.jpg")
        page.photograph("gallery-sent-es-phone")
        page.click("#sending-stop")
        for name in ("uno.jpg", "dos.jpg", "prueba.mp4", "notas.txt"):
            page.settle(name, "ready")
        failed = page.settle("cortada.jpg", "failed")
        self.assertNotEqual(failed.find_element("css selector", ".reason").text, "")
        self.assertTrue(failed.find_element("css selector", ".retry").is_displayed())
        page.script("arguments[0].scrollIntoView()", failed)
        page.photograph("failed-es-phone")
        page.wait("thumbnails", lambda: len(page.all("#cards img")) == 3)
        page.script("scrollTo(0, 0)")
        page.photograph("gallery-ready-es-phone")
        self.assertLessEqual(page.overflow(), 0)

        page.script("arguments[0].scrollIntoView()", page.card("uno.jpg"))
        page.card("uno.jpg").find_element("css selector", ".open").click()
        page.wait("the picture", lambda: page.script(
            "return document.querySelector('#viewer-media img')?.naturalWidth > 800"))
        page.photograph("viewer-es-phone")
        page.click("#viewer .closes")
        self.assertEqual(page.all("#viewer-media *"), [])
        page.card("prueba.mp4").find_element("css selector", ".open").click()
        page.wait("video", lambda: page.script("return document.querySelector('#viewer-media video')?.duration > 1"))
        page.script("document.activeElement.blur()")
        page.find("body").send_keys(Keys.ESCAPE)
        page.wait("the viewer to close", lambda: not page.find("#viewer").is_displayed())
        self.assertEqual(page.script("return document.activeElement.ariaLabel"), "Abrir: prueba.mp4")

        page.card("dos.jpg").find_element("css selector", ".download").click()
        page.wait("the original", lambda: os.path.exists(f"{self.downloads}/dos.jpg"))
        with open(f"{self.downloads}/dos.jpg", "rb") as fetched, open(self.path("dos.jpg"), "rb") as sent:
            self.assertEqual(fetched.read(), sent.read())

        failed.find_element("css selector", ".retry").click()
        page.settle("cortada.jpg", "failed")

        page.card("dos.jpg").find_element("css selector", ".remove").click()
        page.says("#question", "¿Borrar «dos.jpg»?")
        page.photograph("question-es-phone")
        page.click("#question .closes")
        page.card("dos.jpg").find_element("css selector", ".remove").click()
        page.click("#question-yes")
        page.wait("dos.jpg is gone", lambda: "dos.jpg" not in page.find("#cards").text)
        self.assertEqual(len(page.all("#cards li")), 4)

    def test_a_lost_connection_is_said_and_what_is_sent_again_is_not_stored_twice(self):
        server = urllib.parse.urlsplit(BASE_URL)
        line = self.enterContext(Line(server.hostname, server.port or 80))
        page = self.open("en-US", address=line.address)
        page.sign_in()
        page.new_item(self.code())
        photos = [self.photo("first.jpg"), self.photo("second.jpg", "4000x3000", "xc:gray +noise random")]
        page.choose(photos[0])
        page.says("#sending-note", "Stored: 1.")
        page.click("#sending-stop")
        line.bytes_a_second = 1_000_000
        page.choose(*photos)
        page.wait("bytes to flow", lambda: 0.1 < page.find("#sending-bar").get_property("value") < 1)
        page.says("#sending-note", " of ")
        page.photograph("sending-en-desktop")
        line.cut()
        page.says("#sending-problem", "The connection was lost.")
        page.photograph("lost-en-desktop")
        page.click("#sending-again")
        page.says("#sending-problem", "The connection was lost.")
        line.mend()
        page.click("#sending-again")
        page.says("#sending-note", "Stored: 1. Already there: 1.")
        page.settle("first.jpg", "ready")
        page.settle("second.jpg", "ready")
        page.wait("thumbnails", lambda: len(page.all("#cards img")) == 2)
        self.assertEqual(page.find("#problem").text, "")
        page.photograph("gallery-ready-en-desktop")

    def test_nothing_is_asked_once_all_is_ready_nor_while_nobody_looks(self):
        page = self.open()
        page.sign_in()
        page.new_item(self.code())
        page.script("""
            Object.defineProperty(document, 'hidden', { configurable: true, get: () => true });
            document.dispatchEvent(new Event('visibilitychange'));
        """)
        page.choose(self.photo("oculta.jpg"))
        page.says("#sending-note", "Guardados: 1.")
        page.card("oculta.jpg")
        asked = page.requests("/v1/assets")
        time.sleep(5)  # Longer than two polls would take.
        self.assertEqual(page.requests("/v1/assets"), asked)
        page.script("delete document.hidden; document.dispatchEvent(new Event('visibilitychange'))")
        page.settle("oculta.jpg", "ready")
        asked = page.requests("/v1/assets")
        time.sleep(5)
        self.assertEqual(page.requests("/v1/assets"), asked)

    def test_an_export_is_asked_for_watched_downloaded_and_deleted(self):
        page = self.open(size=PHONE)
        page.sign_in()
        code = self.code()
        page.new_item(code)
        page.choose(self.photo("bomba.jpg"))
        page.says("#sending-note", "Guardados: 1.")
        page.click("#sending-stop")
        export = page.ask_for_export("#export-item", code, media="originals")
        page.photograph("export-asked-es-phone")
        page.settle_export(export, "ready")
        self.assertIn("Elementos: 1", export.text)
        self.assertIn("Originales", export.text)
        page.photograph("export-ready-es-phone")
        self.assertLessEqual(page.overflow(), 0)

        export.find_element("css selector", ".download").click()
        page.wait("the archive", lambda: glob.glob(f"{self.downloads}/exportación *.zip"))
        with zipfile.ZipFile(glob.glob(f"{self.downloads}/exportación *.zip")[0]) as archive:
            self.assertIsNone(archive.testzip())
            [photo] = [name for name in archive.namelist() if name.endswith("bomba.jpg")]
            with open(self.path("bomba.jpg"), "rb") as sent:
                self.assertEqual(archive.read(photo), sent.read())

        page.click(".back")
        page.type("#search", code)
        same = page.ask_for_export("#export-found", code, media="originals")
        id = same.get_attribute("data-id")
        same.find_element("css selector", ".remove").click()
        page.says("#question", "¿Borrar esta exportación?")
        page.click("#question-yes")
        page.wait("the export to go", lambda: not page.exports_of(id))

    def test_the_same_export_is_not_built_twice(self):
        page = self.open("en-US")
        page.sign_in()
        code = self.code()
        page.new_item(code)
        first = page.ask_for_export("#export-item", code).get_attribute("data-id")
        page.driver.back()
        page.says("#gallery-title", code)
        again = page.ask_for_export("#export-item", code).get_attribute("data-id")
        self.assertEqual(again, first)
        page.settle_export(page.exports_of(first)[0], "ready")
        page.photograph("exports-en-desktop")

    def test_an_export_of_nothing_is_refused_in_words(self):
        page = self.open()
        page.sign_in()
        page.type("#search", "no such item")
        page.click("#export-found")
        page.says("#new-export-items", "que coinciden con «no such item»")
        page.click("#new-export .main")
        page.says("#new-export .problem", "Ningún elemento coincide.")

    def test_it_is_readable_in_the_dark(self):
        page = self.open("en-US", dark=True)
        page.sign_in()
        page.shown("#items")
        page.wait("items", lambda: page.all("#item-list li"))
        page.photograph("items-en-desktop-dark")


if __name__ == "__main__":
    unittest.main()
