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
            (#"filename="kept.jpg"; filename*=ISO-8859-1''ca%F1on.jpg"#, "kept.jpg"),
            (#"FileName = "spaced.jpg" ;"#, "spaced.jpg"),
        ]
    )
    func filenames(parameters: String, filename: String) throws {
        let block = "content-disposition:form-data; name=\"f\"; \(parameters)\r\n"
        #expect(try MultipartHeaders(parsing: Array(block.utf8)).filename == Array(filename.utf8))
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
