import Testing

@testable import API

@Suite("Headers of a part")
struct MultipartHeadersTests {
    @Test(
        "A file's name is read as browsers, curl and old programs write it",
        arguments: [
            (#"filename="plain.jpg""#, "plain.jpg"),
            (#"filename=token.jpg"#, "token.jpg"),
            (#"filename="""#, ""),
            (#"filename="semi;colon=.jpg""#, "semi;colon=.jpg"),
            (#"filename="a%22b%22.jpg""#, #"a"b".jpg"#),
            (#"filename="a\"b\".jpg""#, #"a"b".jpg"#),
            (#"filename="a\\b.jpg""#, #"a\b.jpg"#),
            (#"filename="C:\fotos\a.jpg""#, #"C:\fotos\a.jpg"#),
            (#"filename="100%.jpg""#, "100%.jpg"),
            (#"filename="50%20.jpg""#, "50%20.jpg"),
            (#"filename="line%0D%0Abreak.jpg""#, "line\r\nbreak.jpg"),
            (#"filename="line%0d%0abreak.jpg""#, "line\r\nbreak.jpg"),
            (#"filename="cañón.jpg""#, "cañón.jpg"),
            (#"filename="old.jpg"; filename*=UTF-8''ca%C3%B1on%20%22.jpg"#, #"cañon ".jpg"#),
            (#"filename*=utf-8'es'ca%c3%b1on.jpg; filename="old.jpg""#, "cañon.jpg"),
            (#"filename*=UTF-8''%252e.jpg"#, "%2e.jpg"),
            (#"filename="old.jpg"; filename*=ISO-8859-1''ca%F1on.jpg"#, "cañon.jpg"),
            (#"filename="kept.jpg"; filename*=X-Unknown''ca%F1on.jpg"#, "kept.jpg"),
            (#"filename="kept.jpg"; filename*=UTF-8''%zz"#, "kept.jpg"),
            (#"filename*=UTF-8''%zz.jpg"#, "%zz.jpg"),
            (#"filename*=x.jpg"#, "x.jpg"),
            (#"filename*0="Informe de "; filename*1="calibración.pdf""#, "Informe de calibración.pdf"),
            (
                #"filename*0*=iso-8859-1'es'Informe%20t%E9; filename*1="cnico"; filename*2*=.p%64f"#,
                "Informe técnico.pdf"
            ),
            (#"filename="foto "grande".jpg""#, #"foto "grande".jpg"#),
            (#"FileName = "spaced.jpg" ;"#, "spaced.jpg"),
        ]
    )
    func filenames(parameters: String, filename: String) throws {
        let block = "content-disposition:form-data; name=\"f\"; \(parameters)\r\n"
        #expect(try MultipartHeaders(parsing: Array(block.utf8)).filename == Array(filename.utf8))
    }

    @Test(
        "The encoded words of mail are undone in a file's name",
        arguments: [
            ("=?UTF-8?B?SW5mb3JtZSB0w6ljbmljby50eHQ=?=", "Informe técnico.txt"),
            ("=?utf-8?b?SW5mb3JtZSB0w6ljbmljby50eHQ?=", "Informe técnico.txt"),
            ("=?UTF-8?Q?Informe_t=C3=A9cnico=2Etxt?=", "Informe técnico.txt"),
            ("=?ISO-8859-1?Q?Informe_t=E9cnico.txt?=", "Informe técnico.txt"),
            ("=?iso-8859-1?B?SW5mb3JtZSB06WNuaWNvLnR4dA==?=", "Informe técnico.txt"),
            ("=?windows-1252?Q?10_=80.txt?=", "10 €.txt"),
            ("=?ISO-8859-15?Q?10_=A4.txt?=", "10 €.txt"),
            ("=?UTF-8*es?Q?a=C3=B1o.txt?=", "año.txt"),
            ("=?UTF-8?Q?Informe_t?= =?UTF-8?Q?=C3=A9cnico.txt?=", "Informe técnico.txt"),
            ("=?UTF-8?Q?t=C3?= \t=?UTF-8?B?qWNuaWNv?=.txt", "técnico.txt"),
            ("=?UTF-8?Q?=C3=B1?= =?ISO-8859-1?Q?=F1?=", "ññ"),
            ("Informe =?UTF-8?Q?t=C3=A9cnico?= 2.txt", "Informe técnico 2.txt"),
            ("=?UTF-8?Q?100%_a%20b?=", "100% a%20b"),
            ("=?UTF-8?Q?a=0Ab?=", "a\nb"),
            ("=?X-Unknown?Q?a?=", "=?X-Unknown?Q?a?="), ("=?UTF-8?Q?=zz?=", "=?UTF-8?Q?=zz?="),
            ("=?UTF-8?B?*?=", "=?UTF-8?B?*?="), ("=?UTF-8?X?a?=", "=?UTF-8?X?a?="),
            ("=?UTF-8?Q?a", "=?UTF-8?Q?a"), ("=?", "=?"), ("=?????=", "=?????="), ("a=?b", "a=?b"),
        ]
    )
    func encodedWords(text: String, filename: String) throws {
        let block = "Content-Disposition: form-data; name=\"f\"; filename=\"\(text)\"\r\n"
        #expect(try MultipartHeaders(parsing: Array(block.utf8)).filename == Array(filename.utf8))
    }

    @Test("A folded header is read as one line, whichever way lines end", arguments: ["\r\n", "\n"])
    func folded(end: String) throws {
        let lines = [
            "Content-Disposition: form-data;", "\tname=\"f\";", "  filename=\"Informe", " técnico.pdf\"",
            "Content-Type:", " application/pdf;", " name=x",
        ]
        let headers = try MultipartHeaders(parsing: Array(lines.map { $0 + end }.joined().utf8))
        #expect(headers.name == "f")
        #expect(headers.filename == Array("Informe técnico.pdf".utf8))
        #expect(headers.contentType == "application/pdf")
    }

    @Test(
        "A name with a line break or a NUL in it reaches the check of the name",
        arguments: ["\r\n", "\n", "\r", "\0"]
    )
    func brokenName(character: String) throws {
        let block =
            "Content-Disposition: form-data; name=f; filename=\"a\(character)b: c.jpg\"\r\nContent-Type: image/jpeg\r\n"
        let headers = try MultipartHeaders(parsing: Array(block.utf8))
        #expect(Multipart.code { _ = try Filename(cleaning: headers.filename ?? []) } == "bad_filename")
        #expect(headers.contentType == "image/jpeg")
    }

    @Test("The name of a field may be in any character set, and a media type may have parameters nobody can read")
    func sloppy() throws {
        let start = Array("Content-Disposition: form-data; name=\"a".utf8) + [0xF1]
        let block = start + Array("o\"; filename=b\r\nContent-Type: image/jpeg; name\r\n".utf8)
        let headers = try MultipartHeaders(parsing: block)
        #expect(headers.name == "año")
        #expect(headers.contentType == "image/jpeg")
    }

    @Test("A field without a file has no file name, and an unknown header is skipped")
    func field() throws {
        let block = "X-Other: \"; filename=a\r\nContent-Disposition: FORM-DATA; name=\"a%22b\"\r\n"
        let headers = try MultipartHeaders(parsing: Array(block.utf8))
        #expect(headers.filename == nil)
        #expect(headers.name == "a\"b")
        #expect(headers.contentType == nil)
    }

    @Test("Bytes that are not UTF-8 reach the check of the name")
    func rawBytes() throws {
        let block =
            Array("Content-Disposition: form-data; name=f; filename=\"".utf8) + [0xC3, 0x28] + Array("\"\r\n".utf8)
        #expect(try MultipartHeaders(parsing: block).filename == [0xC3, 0x28])
    }

    @Test("A media type loses its parameters and its capitals")
    func contentType() throws {
        let block = "Content-Disposition: form-data; name=f\r\nContent-Type: Text/Plain; charset=UTF-8\r\n"
        #expect(try MultipartHeaders(parsing: Array(block.utf8)).contentType == "text/plain")
    }

    @Test("The encoding of old mail is refused unless it changes nothing")
    func transferEncoding() throws {
        let start = "Content-Disposition: form-data; name=f\r\nContent-Transfer-Encoding: "
        _ = try MultipartHeaders(parsing: Array("\(start)Binary\r\n".utf8))
        let code = Multipart.code { _ = try MultipartHeaders(parsing: Array("\(start)quoted-printable\r\n".utf8)) }
        #expect(code == "bad_multipart")
    }
}
