//! Documents that come, change and go while the library is open.

use pgai_sea_tests::{Catalog, TestResult, on_catalog};
use reqwest::StatusCode;

use crate::service::Service;

#[tokio::test]
async fn the_folder_is_followed() {
    on_catalog(Catalog::Ours, async |test| -> TestResult {
        let service = Service::start(test).await?;
        service
            .page_with("", |page| page.contains("There are no documents yet"))
            .await?;

        service.write("tides.md", "# Tides\n\n## Moon\n\nThe moon pulls the sea twice a day.")?;
        service.drop_in("electromagnetic_radiation.docx")?;
        let question = "why does the sea rise and fall?";
        let page = service
            .page_with(question, |page| page.contains("tides.md") && !page.contains("Reading"))
            .await?;
        assert!(page.contains("The moon pulls the sea"), "{page}");
        assert!(page.contains(r#"<span class="headings">Tides</span>"#), "{page}");

        // a change, and what is gone is found no more
        service.write("tides.md", "# Bread\n\nFlour, water and salt make a dough.")?;
        service
            .page_with("how do I bake?", |page| page.contains("Flour, water and salt"))
            .await?;
        std::fs::remove_file(service.folder.path().join("tides.md"))?;
        service
            .page_with("how do I bake?", |page| !page.contains("tides.md"))
            .await?;
        service.stop().await
    })
    .await;
}

#[tokio::test]
async fn what_cannot_be_read_is_said_and_hurts_nobody() {
    on_catalog(Catalog::Ours, async |test| -> TestResult {
        let service = Service::start(test).await?;
        service.write("broken.pdf", "%PDF-1.4 and nothing else")?;
        service.write("<b>.png", b"\x89PNG\r\n\x1a\n")?;
        service.write(
            "page.html",
            "<html><body><p>The moon pulls.</p><script>alert(1)</script></body></html>",
        )?;
        let page = service
            .page_with("the moon", |page| page.contains("2 documents could not be read"))
            .await?;
        assert!(page.contains("a picture") && page.contains("&#60;b&#62;.png"), "{page}");
        let page = service.page_with("the moon", |page| page.contains("page.html")).await?;
        assert!(!page.contains("<script") && !page.contains("<b>.png"), "{page}");

        // a stranger's page is stored and not run
        let id: i32 = service
            .test
            .value("select id from documents where address like '%page.html'")
            .await?;
        let file = service.get(&format!("/documents/{id}")).await?;
        assert_eq!(file.headers()["content-disposition"], "attachment");
        assert_eq!(file.headers()["x-content-type-options"], "nosniff");
        // only what is in the folder
        let outside = tempfile::NamedTempFile::new()?;
        std::os::unix::fs::symlink(outside.path(), service.folder.path().join("link.pdf"))?;
        let insert = format!(
            "insert into documents (address) values ('{0}/link.pdf'), ('/etc/hostname'), ('{0}/../../etc/hostname')
             returning id",
            service.folder.path().display()
        );
        for id in service.test.values::<i32>(&insert).await? {
            assert_eq!(
                service.get(&format!("/documents/{id}")).await?.status(),
                StatusCode::NOT_FOUND
            );
        }
        assert_eq!(service.get("/documents/999").await?.status(), StatusCode::NOT_FOUND);
        service.stop().await
    })
    .await;
}
