import Models
import Testing

@Suite struct RenditionTests {
    @Test(
        "A rendition is named after its original",
        arguments: [
            ("IMG_0412.HEIC", "compressed", "image/jpeg", "IMG_0412 compressed.jpg"),
            ("ramp.mov", "720p", "video/mp4", "ramp 720p.mp4"),
            ("ramp", "odd", "x/y", "ramp odd.bin"),
        ]
    )
    func name(original: String, name: String, type: String, expected: String) {
        let rendition = Rendition(
            name: name,
            contentType: type,
            bytes: 1,
            width: nil,
            height: nil,
            volume: "main",
            path: "x"
        )
        #expect(rendition.filename(beside: original) == expected)
    }
}
