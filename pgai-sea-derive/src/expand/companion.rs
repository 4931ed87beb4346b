//! The companion module: a whole entity over the target table.
//!
//! SeaORM's own derives do most of the work. They name `sea_orm`, its prelude, `std` and the language's prelude without
//! a leading `::`, so all four are brought into the module's scope: in a module that a derive wrote, the compiler looks
//! for what is missing beside the model, before the language's prelude, and an `anyhow::Result` that is imported there
//! would be taken for `Result`.

use proc_macro2::TokenStream;
use quote::quote;
use syn::Path;

use super::{alias_ident, declared, never, option};
use crate::ast::{Entity, Vectorizer};
use crate::visibility::one_module_in;

/// The module of one vectorizer.
pub(super) fn module(entity: &Entity, vectorizer: &Vectorizer) -> TokenStream {
    let (module, module_vis, vis) = (&vectorizer.module, &entity.vis, one_module_in(&entity.vis));
    let table = entity.table();
    let doc = format!(
        " The embeddings of `{table}.{}`, one row per chunk. Written by `#[derive(Vectorizer)]`.",
        vectorizer.column
    );
    let (definition, model) = (entity_struct(entity, vectorizer), model(entity, vectorizer));
    let relation = relation(entity);
    quote! {
        #[doc = #doc]
        #module_vis mod #module {
            use ::pgai_sea::__private::sea_orm;
            use ::pgai_sea::__private::sea_orm::entity::prelude::*;
            use ::std;
            use ::std::prelude::rust_2024::*;

            #definition
            #model
            #relation

            /// The related entities, for `seaography`.
            #[derive(Clone, Copy, Debug, EnumIter, DeriveRelatedEntity)]
            #vis enum RelatedEntity {
                /// The row that was embedded.
                #[sea_orm(entity = "super::Entity")]
                Source,
            }

            #[automatically_derived]
            impl ActiveModelBehavior for ActiveModel {}
        }
    }
}

/// `Entity` by hand: `DeriveEntity` would enter it in SeaORM's registry, and schema sync would then create the target
/// table, with a foreign key, and drop its unique key.
fn entity_struct(entity: &Entity, vectorizer: &Vectorizer) -> TokenStream {
    let vis = one_module_in(&entity.vis);
    let (schema, table) = vectorizer.target(entity);
    let schema = option(schema.as_deref());
    let (model_ex, active_model_ex) = if entity.dense {
        (quote!(ModelEx), quote!(ActiveModelEx))
    } else {
        (quote!(Model), quote!(ActiveModel))
    };
    let doc = format!(" The table `{table}`, which a vectorizer fills.");
    quote! {
        #[doc = #doc]
        #[derive(Clone, Copy, Debug, Default)]
        #vis struct Entity;

        #[automatically_derived]
        impl EntityName for Entity {
            fn schema_name(&self) -> ::core::option::Option<&str> {
                #schema
            }

            fn table_name(&self) -> &'static str {
                #table
            }
        }

        #[automatically_derived]
        impl EntityTrait for Entity {
            type Model = Model;
            type ModelEx = #model_ex;
            type ActiveModel = ActiveModel;
            type ActiveModelEx = #active_model_ex;
            type Column = Column;
            type Relation = Relation;
            type PrimaryKey = PrimaryKey;
        }

        #[automatically_derived]
        impl Iden for Entity {
            fn unquoted(&self) -> &str {
                #table
            }
        }

        #[automatically_derived]
        impl IdenStatic for Entity {
            fn as_str(&self) -> &'static str {
                #table
            }
        }
    }
}

fn model(entity: &Entity, vectorizer: &Vectorizer) -> TokenStream {
    let vis = one_module_in(&entity.vis);
    let derives = vectorizer.attr.derives.iter().map(derive_path);
    // Selected as its type without a length, a vector can be read while a store of another type answers.
    let (ty, column) = if vectorizer.attr.halfvec {
        let column_type = format!("custom(\"halfvec({})\")", vectorizer.dimensions());
        (
            quote!(::pgai_sea::__private::HalfVec),
            quote!(column_type = #column_type, select_as = "halfvec"),
        )
    } else {
        let column_type = format!("Vector(Some({}))", vectorizer.dimensions());
        (quote!(PgVector), quote!(column_type = #column_type))
    };
    let keys = entity.keys.iter().map(|key| {
        let (field, column, variant, alias) = (&key.field, &key.column, key.variant.to_string(), alias_ident(key));
        let conversions = key.conversions.iter().map(|(key, value)| quote!(, #key = #value));
        let doc = format!(" `{column}` of the row that was embedded.");
        quote! {
            #[doc = #doc]
            #[sea_orm(column_name = #column, enum_name = #variant #(#conversions)*)]
            pub #field: super::#alias,
        }
    });
    // The compact form of SeaORM's two, because it leaves `Relation` to us: the companion has the same relation
    // whether or not its source has a loader. `entity = Entity` is the default, and is written because SeaORM takes the
    // first `#[sea_orm(..)]` for its own, which would be the marker that `compact_model` leaves.
    let (attribute, source) = if entity.dense {
        (
            quote!(#[::pgai_sea::__private::sea_orm::compact_model]),
            quote! {
                /// The row that was embedded, when the loader was told to bring it.
                pub source: BelongsTo<super::Entity>,
            },
        )
    } else {
        (quote!(), quote!())
    };
    quote! {
        /// One chunk of a row's text, and its vector.
        #attribute
        #[derive(Clone, Debug, PartialEq, DeriveEntityModel #(, #derives)*)]
        #[sea_orm(entity = Entity)]
        #vis struct Model {
            /// The embedding's own key.
            #[sea_orm(primary_key, auto_increment = false, default_expr = "Expr::cust(\"gen_random_uuid()\")")]
            pub embedding_uuid: Uuid,
            #(#keys)*
            /// The chunk's place in its row, from 0.
            pub chunk_seq: i32,
            /// The text that was embedded.
            #[sea_orm(column_type = "Text")]
            pub chunk: String,
            /// The vector.
            #[sea_orm(#column)]
            pub embedding: #ty,
            #source
        }
    }
}

fn relation(entity: &Entity) -> TokenStream {
    let vis = one_module_in(&entity.vis);
    let definition = if entity.keys.is_empty() {
        never()
    } else {
        let variants: Vec<_> = entity.keys.iter().map(|key| &key.variant).collect();
        let (from, to) = match variants.as_slice() {
            [key] => (quote!(Column::#key), quote!(super::Column::#key)),
            keys => (quote!((#(Column::#keys),*)), quote!((#(super::Column::#keys),*))),
        };
        quote!(Entity::belongs_to(super::Entity).from(#from).to(#to).skip_fk().into())
    };
    quote! {
        /// The relations of the target table. No foreign key stands behind them.
        #[derive(Clone, Copy, Debug, EnumIter)]
        #vis enum Relation {
            /// The row that was embedded.
            Source,
        }

        #[automatically_derived]
        impl RelationTrait for Relation {
            fn def(&self) -> RelationDef {
                #definition
            }
        }

        #[automatically_derived]
        impl Related<super::Entity> for Entity {
            fn to() -> RelationDef {
                Relation::Source.def()
            }
        }
    }
}

/// `EmbeddingTrait` and what a search on the companion finds, beside the model: the attribute's expressions mean what
/// they mean there.
pub(super) fn traits(entity: &Entity, vectorizer: &Vectorizer) -> TokenStream {
    let module = &vectorizer.module;
    let column = entity
        .loaded(vectorizer)
        .map(|loaded| &loaded.variant)
        .map_or_else(never, |variant| quote!(Column::#variant));
    let keys = entity.keys.iter().map(|key| &key.variant);
    let declared = declared::items(entity, vectorizer);
    quote! {
        #[automatically_derived]
        impl ::pgai_sea::__private::Sealed for #module::Entity {}

        #[automatically_derived]
        impl ::pgai_sea::__private::EmbeddingTrait for #module::Entity {
            type Source = Entity;

            #declared

            fn source_column() -> Column {
                #column
            }

            fn embedding_column() -> #module::Column {
                #module::Column::Embedding
            }

            fn key_columns() -> ::std::vec::Vec<#module::Column> {
                ::std::vec![#(#module::Column::#keys),*]
            }

            fn uuid_column() -> ::core::option::Option<#module::Column> {
                ::core::option::Option::Some(#module::Column::EmbeddingUuid)
            }

            fn chunk_seq_column() -> ::core::option::Option<#module::Column> {
                ::core::option::Option::Some(#module::Column::ChunkSeq)
            }

            fn chunk_column() -> ::core::option::Option<#module::Column> {
                ::core::option::Option::Some(#module::Column::Chunk)
            }

            fn source_relation() -> ::core::option::Option<::pgai_sea::__private::sea_orm::RelationDef> {
                ::core::option::Option::Some(
                    <#module::Entity as ::pgai_sea::__private::sea_orm::Related<Entity>>::to()
                )
            }
        }

        #[automatically_derived]
        impl ::pgai_sea::__private::Searched for #module::Entity {
            type Embeddings = Self;
            type Projection = ::pgai_sea::__private::Chunks;
        }
    }
}

/// A path of `derives(..)`, as seen from inside the module: one name is what it is beside the model, unless the
/// language brings it everywhere.
fn derive_path(path: &Path) -> TokenStream {
    const EVERYWHERE: [&str; 5] = ["Default", "Eq", "Hash", "Ord", "PartialOrd"];
    let first = path
        .segments
        .first()
        .map(|segment| segment.ident.to_string())
        .unwrap_or_default();
    let single = path.segments.len() == 1 && path.leading_colon.is_none();
    match first.as_str() {
        "super" => quote!(super::#path),
        "self" => {
            let rest = path.segments.iter().skip(1);
            quote!(super #(:: #rest)*)
        }
        name if single && !EVERYWHERE.contains(&name) => quote!(super::#path),
        _ => quote!(#path),
    }
}
