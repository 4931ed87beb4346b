//! What one case asks for, and what a catalog makes of what it leaves out.

use pgai_sea::CreateVectorizer;
use pgai_sea::config::{
    Chunking, Destination, Embedding, Formatting, Indexing, Loading, Parsing, Processing, Scheduling,
};
use proptest::option::of;
use proptest::prelude::*;

#[derive(Clone, Debug)]
pub(super) struct Asked {
    pub(super) schema: String,
    pub(super) table: String,
    pub(super) column: String,
    pub(super) queue: Option<(String, String)>,
    pub(super) grant_to: Option<Vec<String>>,
    pub(super) loading: Loading,
    pub(super) parsing: Option<Parsing>,
    pub(super) embedding: Embedding,
    pub(super) chunking: Option<Chunking>,
    pub(super) formatting: Option<Formatting>,
    pub(super) processing: Option<Processing>,
    pub(super) indexing: Option<Indexing>,
    pub(super) scheduling: Option<Scheduling>,
    pub(super) destination: Option<Destination>,
    pub(super) enqueue_existing: Option<bool>,
    pub(super) if_not_exists: Option<bool>,
}

/// `value.setter(option)`, if there is one.
macro_rules! set {
    ($value:expr, $($setter:ident),+) => {{
        let mut value = $value;
        $(if let Some($setter) = $setter { value = value.$setter($setter); })+
        value
    }};
}

impl Asked {
    pub(super) fn create(&self) -> CreateVectorizer {
        let asked = self.clone();
        let (parsing, chunking, formatting) = (asked.parsing, asked.chunking, asked.formatting);
        let (processing, indexing, scheduling) = (asked.processing, asked.indexing, asked.scheduling);
        let (destination, grant_to) = (asked.destination, asked.grant_to);
        let (enqueue_existing, if_not_exists) = (asked.enqueue_existing, asked.if_not_exists);
        let (queue_schema, queue_table) = asked.queue.unzip();
        set!(
            CreateVectorizer::new((asked.schema, asked.table))
                .name("asked")
                .loading(asked.loading)
                .embedding(asked.embedding),
            parsing,
            chunking,
            formatting,
            processing,
            indexing,
            scheduling,
            destination,
            grant_to,
            enqueue_existing,
            if_not_exists,
            queue_schema,
            queue_table
        )
    }

    /// As a catalog stores it.
    pub(super) fn with_defaults(mut self) -> Self {
        match &mut self.loading {
            Loading::Column(loading) => _ = loading.retries.get_or_insert(6),
            Loading::Uri(loading) => _ = loading.retries.get_or_insert(6),
            other => panic!("{other:?}"),
        }
        match &mut self.embedding {
            Embedding::OpenAi(embedding) => _ = embedding.api_key_name.get_or_insert("OPENAI_API_KEY".to_owned()),
            Embedding::VoyageAi(embedding) => {
                embedding.api_key_name.get_or_insert("VOYAGE_API_KEY".to_owned());
                embedding.input_type.get_or_insert("document".to_owned());
            }
            _ => {}
        }
        let recursive = || Chunking::recursive_character_text_splitter().into();
        match self.chunking.get_or_insert_with(recursive) {
            Chunking::CharacterTextSplitter(chunking) => {
                chunking.chunk_size.get_or_insert(800);
                chunking.chunk_overlap.get_or_insert(400);
                chunking.separator.get_or_insert("\n\n".to_owned());
                chunking.is_separator_regex.get_or_insert(false);
            }
            Chunking::RecursiveCharacterTextSplitter(chunking) => {
                chunking.chunk_size.get_or_insert(800);
                chunking.chunk_overlap.get_or_insert(400);
                let separators = || ["\n\n", "\n", ".", "?", "!", " ", ""].map(str::to_owned).to_vec();
                chunking.separators.get_or_insert_with(separators);
                chunking.is_separator_regex.get_or_insert(false);
            }
            _ => {}
        }
        if let Formatting::PythonTemplate(formatting) = self.formatting.get_or_insert_default() {
            formatting.template.get_or_insert("$chunk".to_owned());
        }
        self.processing.get_or_insert_default();
        self.parsing.get_or_insert_with(|| Parsing::auto().into());
        // what no setting says is none
        let none = || Indexing::none().into();
        match self.indexing.get_or_insert_with(none) {
            Indexing::Hnsw(indexing) => {
                indexing.min_rows.get_or_insert(100_000);
                indexing.opclass.get_or_insert("vector_cosine_ops".to_owned());
                indexing.create_when_queue_empty.get_or_insert(true);
            }
            Indexing::Diskann(indexing) => {
                indexing.min_rows.get_or_insert(100_000);
                indexing.create_when_queue_empty.get_or_insert(true);
            }
            default => *default = Indexing::none().into(),
        }
        self.scheduling = Some(Scheduling::none().into());
        if let Destination::Table(destination) = self.destination.get_or_insert_default() {
            let named = destination.destination.take();
            let name = |suffix: &str| match &named {
                Some(name) => format!("{name}{suffix}"),
                None => format!("{}_embedding{suffix}", self.table),
            };
            destination.target_schema.get_or_insert_with(|| self.schema.clone());
            destination.view_schema.get_or_insert_with(|| self.schema.clone());
            destination.target_table.get_or_insert_with(|| name("_store"));
            destination.view_name.get_or_insert_with(|| name(""));
            if destination.partitions.is_some() {
                destination.partition_by.get_or_insert("id".to_owned());
            }
        }
        self
    }
}

/// Any text that PostgreSQL can hold, with more than its share of what breaks quoting.
fn text() -> impl Strategy<Value = String> {
    prop_oneof![
        "[^\\x00]{0,20}",
        r#"['"\\$;\n\r\t%{}()-]{0,12}"#,
        Just("'); drop table ai.vectorizer; --".to_owned()),
        Just("\\u0000".to_owned()),
    ]
}

/// Any name of at most 40 bytes, so that what is derived from it fits into 63. pgai's own trigger for its event trigger
/// and its format strings take any character.
fn identifier() -> impl Strategy<Value = String> {
    text().prop_map(|text| {
        let mut name: String = text.chars().filter(|c| *c != '\0').collect();
        while name.len() > 40 {
            name.pop();
        }
        if name.is_empty() { "t".to_owned() } else { name }
    })
}

fn embedding() -> BoxedStrategy<Embedding> {
    let model = text().prop_map(|model| format!("m{model}"));
    let openai = (model, 1..2000_i32, of(text()), of(text()), of(text())).prop_map(
        |(model, dimensions, chat_user, api_key_name, base_url)| {
            set!(Embedding::openai(model, dimensions), chat_user, api_key_name, base_url).into()
        },
    );
    let options = of(text().prop_map(|option| serde_json::json!({ "stop": option, "list": [null, option] })));
    let ollama =
        (1..2000_i32, of(text()), options, of(text())).prop_map(|(dimensions, base_url, options, keep_alive)| {
            set!(Embedding::ollama("m", dimensions), base_url, options, keep_alive).into()
        });
    let input_type = of(prop_oneof![Just("query"), Just("document")]);
    let voyageai = (1..2000_i32, input_type, of(text())).prop_map(|(dimensions, input_type, api_key_name)| {
        set!(Embedding::voyageai("m", dimensions), input_type, api_key_name).into()
    });
    let extra_options = of((text(), text()).prop_map(|(name, value)| serde_json::json!({ name: [value] })));
    let litellm = (1..2000_i32, of(text()), extra_options).prop_map(|(dimensions, api_key_name, extra_options)| {
        set!(Embedding::litellm("m", dimensions), api_key_name, extra_options).into()
    });
    prop_oneof![openai, ollama, voyageai, litellm].boxed()
}

/// The parsers of documents are for addresses: the column is one of text.
fn loading(column: String) -> BoxedStrategy<(Loading, Option<Parsing>)> {
    let role = of(Just("arn:aws:iam::123456789012:role/reader"));
    let uri =
        (Just(column.clone()), of(0..100_i32), role, of(0..4)).prop_map(|(column, retries, aws_role_arn, parsing)| {
            let parsing = parsing.map(|parsing| match parsing {
                0 => Parsing::auto().into(),
                1 => Parsing::none().into(),
                2 => Parsing::pymupdf().into(),
                _ => Parsing::docling().into(),
            });
            (set!(Loading::uri(column), retries, aws_role_arn).into(), parsing)
        });
    let column = (Just(column), of(0..100_i32), of(any::<bool>())).prop_map(|(column, retries, none)| {
        let parsing = none.map(|none| {
            if none {
                Parsing::none().into()
            } else {
                Parsing::auto().into()
            }
        });
        (set!(Loading::column(column), retries).into(), parsing)
    });
    prop_oneof![uri, column].boxed()
}

/// Both sizes, or neither: a size alone may be less than the other's default.
fn chunking() -> BoxedStrategy<Chunking> {
    let sizes = || of((1..5000_i32).prop_flat_map(|size| (Just(size), 0..=size))).prop_map(Option::unzip);
    let character = (sizes(), of(text()), of(any::<bool>())).prop_map(
        |((chunk_size, chunk_overlap), separator, is_separator_regex)| {
            let chunking = Chunking::character_text_splitter();
            set!(chunking, chunk_size, chunk_overlap, separator, is_separator_regex).into()
        },
    );
    let separators = of(prop::collection::vec(text(), 1..5));
    let recursive = (sizes(), separators, of(any::<bool>())).prop_map(
        |((chunk_size, chunk_overlap), separators, is_separator_regex)| {
            let chunking = Chunking::recursive_character_text_splitter();
            set!(chunking, chunk_size, chunk_overlap, separators, is_separator_regex).into()
        },
    );
    prop_oneof![character, recursive, Just(Chunking::none().into())].boxed()
}

/// pgai's own schema has an index only with a schedule, which needs timescaledb.
fn indexing(any_index: bool) -> BoxedStrategy<Indexing> {
    let none = prop_oneof![
        Just(Indexing::none().into()),
        Just(Indexing::from_database_settings().into())
    ];
    if !any_index {
        return none.boxed();
    }
    let opclass = of(prop::sample::select(vec![
        "vector_cosine_ops",
        "vector_ip_ops",
        "vector_l1_ops",
        "vector_l2_ops",
    ]));
    let sizes = of((2..=100_i32).prop_flat_map(|m| (Just(m), (2 * m).max(4)..=1000))).prop_map(Option::unzip);
    let hnsw = (of(0..1_000_000_i32), opclass, sizes, of(any::<bool>())).prop_map(
        |(min_rows, opclass, (m, ef_construction), create_when_queue_empty)| {
            set!(
                Indexing::hnsw(),
                min_rows,
                opclass,
                m,
                ef_construction,
                create_when_queue_empty
            )
            .into()
        },
    );
    let layout = of(prop_oneof![Just("memory_optimized"), Just("plain")]);
    // of numbers with more digits serde_json may read another last bit
    let alpha = (1_024..5_120_i32).prop_map(|alpha| f64::from(alpha) / 1_024.0);
    let graph = (of(10..1000_i32), of(10..1000_i32), of(alpha));
    let vectors = (of(0..5000_i32), of(1..32_i32));
    let diskann = (of(0..1_000_000_i32), layout, graph, vectors, of(any::<bool>())).prop_map(
        |(min_rows, storage_layout, graph, (num_dimensions, num_bits_per_dimension), create_when_queue_empty)| {
            let (num_neighbors, search_list_size, max_alpha) = graph;
            set!(
                Indexing::diskann(),
                min_rows,
                storage_layout,
                num_neighbors,
                search_list_size,
                max_alpha,
                num_dimensions,
                num_bits_per_dimension,
                create_when_queue_empty
            )
            .into()
        },
    );
    prop_oneof![none, hnsw, diskann].boxed()
}

/// A table with any of its names, or a column, which takes whole texts.
fn destination(schema: String, is_ours: bool) -> BoxedStrategy<(Option<Destination>, bool)> {
    let name = |prefix: &'static str| of(identifier().prop_map(move |name| format!("{prefix}{name}")));
    let schemas = (of(Just(schema.clone())), of(Just(schema)));
    // only our catalog has them
    let partitions = of(2..=5_i32).prop_map(move |partitions| partitions.filter(|_| is_ours));
    let partitions = partitions.prop_flat_map(|partitions| {
        let partition_by = of(Just("id")).prop_map(move |column| column.filter(|_| partitions.is_some()));
        (Just(partitions), partition_by)
    });
    let table = (name("named"), schemas, name("store"), name("view"), partitions).prop_map(
        |(destination, (target_schema, view_schema), target_table, view_name, (partitions, partition_by))| {
            let table = set!(
                Destination::table(),
                destination,
                target_schema,
                view_schema,
                target_table,
                view_name,
                partitions,
                partition_by
            );
            (Some(table.into()), false)
        },
    );
    let column = identifier().prop_map(|name| (Some(Destination::column(format!("v_{name}")).into()), true));
    prop_oneof![3 => table, 1 => column, 1 => Just((None, false))].boxed()
}

fn processing() -> BoxedStrategy<Processing> {
    (of(1..=2048_i32), of(1..=50_i32))
        .prop_map(|(batch_size, concurrency)| set!(Processing::batches(), batch_size, concurrency).into())
        .boxed()
}

pub(super) fn asked(is_ours: bool) -> impl Strategy<Value = Asked> {
    // pg_ is reserved; a source column called `chunk` is refused, which is another test
    let names = (identifier(), identifier(), identifier(), identifier())
        .prop_map(|(schema, table, column, queue)| (format!("s{schema}"), table, format!("c_{column}"), queue))
        .prop_flat_map(move |(schema, table, column, queue)| {
            let queue = of(Just((schema.clone(), format!("queue{queue}"))));
            let (loading, destination) = (loading(column.clone()), destination(schema.clone(), is_ours));
            (Just((schema, table, column)), queue, loading, destination)
        });
    // that there is no such role is a warning
    let grant_to = of(identifier().prop_map(|role| vec![format!("role{role}")]));
    // a lone dollar is refused: it stands for nothing
    let template = text().prop_map(|text| Formatting::python_template(format!("$chunk {}", text.replace('$', "$$"))));
    let scheduling = prop_oneof![
        Just(Scheduling::none().into()),
        Just(Scheduling::from_database_settings().into())
    ];
    let options = (
        embedding(),
        of(chunking()),
        of(template.prop_map(Formatting::from)),
        of(processing()),
        of(indexing(is_ours)),
        of(scheduling),
        of(any::<bool>()),
        of(any::<bool>()),
    );
    (names, grant_to, options).prop_map(
        |(((schema, table, column), queue, (loading, parsing), (destination, in_column)), grant_to, options)| {
            let (embedding, chunking, formatting, processing, indexing, scheduling, enqueue_existing, if_not_exists) =
                options;
            Asked {
                schema,
                table,
                column,
                queue,
                grant_to,
                loading,
                parsing,
                embedding,
                chunking: if in_column {
                    Some(Chunking::none().into())
                } else {
                    chunking
                },
                formatting,
                processing,
                indexing,
                scheduling,
                destination,
                enqueue_existing,
                if_not_exists,
            }
        },
    )
}
