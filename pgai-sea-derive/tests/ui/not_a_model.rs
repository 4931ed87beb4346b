use pgai_sea::Vectorizer;

#[derive(Vectorizer)]
pub struct Post {
    #[vectorizer(dimensions = 3)]
    pub body: String,
}

#[derive(Vectorizer)]
pub enum Model {
    Post,
}

fn main() {}
