//! Documents made by hand, and a server that serves them.

use std::collections::HashMap;
use std::io::{Cursor, Write as _};
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::{Response, StatusCode};
use pgai_sea::document::Documents;
use tokio::task::AbortHandle;
use zip::ZipWriter;
use zip::write::SimpleFileOptions;

/// Documents that are parsed in a process of their own, by the command.
pub(super) fn in_child() -> Documents {
    Documents::in_child(env!("CARGO_BIN_EXE_pgai-sea-under-test"))
}

/// A zip archive of these files.
pub(super) fn archive(files: &[(&str, &str)]) -> Vec<u8> {
    let mut writer = ZipWriter::new(Cursor::new(Vec::new()));
    for (name, content) in files {
        writer.start_file(*name, SimpleFileOptions::default()).unwrap();
        writer.write_all(content.as_bytes()).unwrap();
    }
    writer.finish().unwrap().into_inner()
}

/// How the parts of a document are related.
const RELATED: &str = "http://schemas.openxmlformats.org/officeDocument/2006/relationships";

/// A Word document with a heading and paragraphs.
pub(super) fn docx(heading: &str, paragraphs: &[&str]) -> Vec<u8> {
    let paragraphs: String = paragraphs
        .iter()
        .map(|text| format!("<w:p><w:r><w:t>{text}</w:t></w:r></w:p>"))
        .collect();
    let document = format!(
        r#"<?xml version="1.0" encoding="UTF-8"?><w:document
        xmlns:w="http://schemas.openxmlformats.org/wordprocessingml/2006/main"><w:body><w:p><w:pPr><w:pStyle
        w:val="Heading1"/></w:pPr><w:r><w:t>{heading}</w:t></w:r></w:p>{paragraphs}</w:body></w:document>"#
    );
    archive(&[
        (
            "[Content_Types].xml",
            &types("/word/document.xml", "wordprocessingml.document.main"),
        ),
        ("_rels/.rels", &relations(&[("officeDocument", "word/document.xml")])),
        ("word/document.xml", &document),
    ])
}

/// An Excel workbook with one sheet of text.
pub(super) fn xlsx(rows: &[[&str; 2]]) -> Vec<u8> {
    let cell = |text: &str| format!(r#"<c t="inlineStr"><is><t>{text}</t></is></c>"#);
    let rows: String = rows
        .iter()
        .map(|[a, b]| format!("<row>{}{}</row>", cell(a), cell(b)))
        .collect();
    let main = "http://schemas.openxmlformats.org/spreadsheetml/2006/main";
    let sheet = format!(r#"<worksheet xmlns="{main}"><sheetData>{rows}</sheetData></worksheet>"#);
    let workbook = format!(
        r#"<workbook xmlns="{main}" xmlns:r="{RELATED}"><sheets>
        <sheet name="Tides" sheetId="1" r:id="r0"/></sheets></workbook>"#
    );
    archive(&[
        (
            "[Content_Types].xml",
            &types("/xl/workbook.xml", "spreadsheetml.sheet.main"),
        ),
        ("_rels/.rels", &relations(&[("officeDocument", "xl/workbook.xml")])),
        ("xl/workbook.xml", &workbook),
        (
            "xl/_rels/workbook.xml.rels",
            &relations(&[("worksheet", "worksheets/sheet1.xml")]),
        ),
        ("xl/worksheets/sheet1.xml", &sheet),
    ])
}

/// A presentation with a slide for each text.
pub(super) fn pptx(slides: &[&str]) -> Vec<u8> {
    let drawing = "http://schemas.openxmlformats.org/drawingml/2006/main";
    let main = "http://schemas.openxmlformats.org/presentationml/2006/main";
    let ids: String = (0..slides.len())
        .map(|n| format!(r#"<p:sldId id="{}" r:id="r{n}"/>"#, 256 + n))
        .collect();
    let presentation = format!(
        r#"<p:presentation xmlns:p="{main}" xmlns:r="{RELATED}"><p:sldIdLst>{ids}</p:sldIdLst></p:presentation>"#
    );
    let names: Vec<String> = (0..slides.len())
        .map(|n| format!("slides/slide{}.xml", n + 1))
        .collect();
    let links: Vec<_> = names.iter().map(|name| ("slide", name.as_str())).collect();
    let mut files = vec![
        (
            "[Content_Types].xml".to_owned(),
            types("/ppt/presentation.xml", "presentationml.presentation.main"),
        ),
        (
            "_rels/.rels".to_owned(),
            relations(&[("officeDocument", "ppt/presentation.xml")]),
        ),
        ("ppt/presentation.xml".to_owned(), presentation),
        ("ppt/_rels/presentation.xml.rels".to_owned(), relations(&links)),
    ];
    for (name, text) in names.iter().zip(slides) {
        let slide = format!(
            r#"<p:sld xmlns:p="{main}" xmlns:a="{drawing}"><p:cSld><p:spTree><p:nvGrpSpPr><p:cNvPr id="1"
            name=""/><p:cNvGrpSpPr/><p:nvPr/></p:nvGrpSpPr><p:grpSpPr/><p:sp><p:nvSpPr><p:cNvPr id="2"
            name="t"/><p:cNvSpPr/><p:nvPr/></p:nvSpPr><p:spPr/><p:txBody><a:bodyPr/><a:p><a:r><a:t>{text}</a:t></a:r>
            </a:p></p:txBody></p:sp></p:spTree></p:cSld></p:sld>"#
        );
        files.push((format!("ppt/{name}"), slide));
    }
    let files: Vec<_> = files
        .iter()
        .map(|(name, content)| (name.as_str(), content.as_str()))
        .collect();
    archive(&files)
}

/// A PDF with these lines on its pages.
pub(super) fn pdf(pages: &[&[&str]]) -> Vec<u8> {
    let kids: String = (0..pages.len()).map(|page| format!("{} 0 R ", 4 + 2 * page)).collect();
    let mut objects = vec![
        "<< /Type /Catalog /Pages 2 0 R >>".to_owned(),
        format!("<< /Type /Pages /Count {} /Kids [ {kids}] >>", pages.len()),
        "<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica >>".to_owned(),
    ];
    for (page, lines) in pages.iter().enumerate() {
        let lines: String = lines.iter().map(|line| format!("({line}) Tj T*\n")).collect();
        let text = format!("BT /F1 10 Tf 14 TL 60 780 Td\n{lines}ET");
        objects.push(format!(
            "<< /Type /Page /Parent 2 0 R /MediaBox [0 0 595 842] /Contents {} 0 R \
             /Resources << /Font << /F1 3 0 R >> >> >>",
            5 + 2 * page
        ));
        objects.push(format!("<< /Length {} >>\nstream\n{text}\nendstream", text.len()));
    }
    let (mut file, mut table) = (String::from("%PDF-1.4\n"), String::from("0000000000 65535 f \n"));
    for (number, object) in (1..).zip(&objects) {
        table += &format!("{:010} 00000 n \n", file.len());
        file += &format!("{number} 0 obj\n{object}\nendobj\n");
    }
    let (start, size) = (file.len(), objects.len() + 1);
    file += &format!("xref\n0 {size}\n{table}trailer\n<< /Size {size} /Root 1 0 R >>\nstartxref\n{start}\n%%EOF\n");
    file.into_bytes()
}

fn types(part: &str, kind: &str) -> String {
    format!(
        r#"<Types xmlns="http://schemas.openxmlformats.org/package/2006/content-types"><Default Extension="xml"
        ContentType="application/xml"/><Default Extension="rels"
        ContentType="application/vnd.openxmlformats-package.relationships+xml"/><Override PartName="{part}"
        ContentType="application/vnd.openxmlformats-officedocument.{kind}+xml"/></Types>"#
    )
}

fn relations(targets: &[(&str, &str)]) -> String {
    let all: String = targets
        .iter()
        .enumerate()
        .map(|(n, (kind, target))| {
            format!(
                r#"<Relationship Id="r{n}" Target="{target}"
                Type="{RELATED}/{kind}"/>"#
            )
        })
        .collect();
    format!(
        r#"<Relationships xmlns="http://schemas.openxmlformats.org/package/2006/relationships">{all}</Relationships>"#
    )
}

/// What a server says to a request.
#[derive(Clone, Debug)]
pub(super) struct Reply {
    pub(super) status: u16,
    pub(super) headers: Vec<(&'static str, String)>,
    pub(super) body: Vec<u8>,
}

impl Reply {
    pub(super) fn ok(body: impl Into<Vec<u8>>) -> Self {
        let (status, headers, body) = (200, Vec::new(), body.into());
        Self { status, headers, body }
    }

    pub(super) fn status(status: u16) -> Self {
        Self { status, ..Self::ok("") }
    }

    pub(super) fn redirect(to: &str) -> Self {
        Self::status(302).header("location", to)
    }

    pub(super) fn header(mut self, name: &'static str, value: &str) -> Self {
        self.headers.push((name, value.to_owned()));
        self
    }
}

/// A request that a server got: method, path with query, and headers.
#[derive(Clone, Debug)]
pub(super) struct Asked {
    pub(super) target: String,
    pub(super) headers: HashMap<String, String>,
}

/// A server on the loopback interface, until it is dropped.
#[derive(Debug)]
pub(super) struct Web {
    pub(super) address: SocketAddr,
    state: Arc<Served>,
    server: AbortHandle,
}

#[derive(Debug, Default)]
struct Served {
    replies: Mutex<HashMap<String, Reply>>,
    asked: Mutex<Vec<Asked>>,
}

impl Web {
    pub(super) async fn start() -> Self {
        let listener = tokio::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let address = listener.local_addr().unwrap();
        let state = Arc::new(Served::default());
        let routes = Router::new().fallback(answer).with_state(Arc::clone(&state));
        let server = tokio::spawn(async move { axum::serve(listener, routes).await.unwrap() });
        Self {
            address,
            state,
            server: server.abort_handle(),
        }
    }

    /// Serves this at a path. Others are not found.
    pub(super) fn serve(&self, path: &str, reply: Reply) {
        self.state.replies.lock().unwrap().insert(path.to_owned(), reply);
    }

    pub(super) fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    pub(super) fn asked(&self) -> Vec<Asked> {
        self.state.asked.lock().unwrap().clone()
    }
}

impl Drop for Web {
    fn drop(&mut self) {
        self.server.abort();
    }
}

async fn answer(State(served): State<Arc<Served>>, request: Request) -> Response<Body> {
    let headers = request.headers().iter();
    let headers = headers.map(|(name, value)| (name.to_string(), value.to_str().unwrap_or_default().to_owned()));
    served.asked.lock().unwrap().push(Asked {
        target: request.uri().to_string(),
        headers: headers.collect(),
    });
    let reply = served.replies.lock().unwrap().get(request.uri().path()).cloned();
    let reply = reply.unwrap_or_else(|| Reply::status(404));
    let mut response = Response::builder().status(StatusCode::from_u16(reply.status).unwrap());
    for (name, value) in &reply.headers {
        response = response.header(*name, value);
    }
    response.body(Body::from(reply.body)).unwrap()
}
