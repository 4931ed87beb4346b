//! The companion's key columns have the names that the source's have, whatever rule made those.

use pgai_sea::prelude::EmbeddingTrait;
use sea_orm::{EntityTrait, IdenStatic, Iterable, PrimaryKeyToColumn};

macro_rules! entity {
    ($module:ident $(, $rule:meta)?) => {
        #[allow(non_snake_case)]
        mod $module {
            use pgai_sea::Vectorizer;
            use sea_orm::entity::prelude::*;

            #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel, Vectorizer)]
            #[sea_orm(table_name = "names" $(, $rule)?)]
            pub(super) struct Model {
                #[sea_orm(primary_key, auto_increment = false)]
                pub id: i32,
                #[sea_orm(primary_key, auto_increment = false)]
                pub two_words: i32,
                #[sea_orm(primary_key, auto_increment = false)]
                pub r#type: i32,
                #[sea_orm(primary_key, auto_increment = false)]
                pub a_b_cd2_e: i32,
                #[sea_orm(primary_key, auto_increment = false)]
                pub _hidden_: i32,
                #[sea_orm(primary_key, auto_increment = false)]
                pub mixedCase: i32,
                #[sea_orm(primary_key, auto_increment = false, enum_name = "OtherName")]
                pub variant: i32,
                #[sea_orm(primary_key, auto_increment = false, column_name = "Given \"name\"", enum_name = "Both")]
                pub given: i32,
                #[vectorizer(dimensions = 3)]
                pub text: String,
            }

            #[derive(Clone, Copy, Debug, EnumIter, DeriveRelation)]
            pub(super) enum Relation {}

            impl ActiveModelBehavior for ActiveModel {}

            #[test]
            fn are_the_sources() {
                super::check::<text_embeddings::Entity>();
            }
        }
    };
}

fn check<E: EmbeddingTrait>() {
    let source = <<E as EmbeddingTrait>::Source as EntityTrait>::PrimaryKey::iter()
        .map(|key| key.into_column().as_str())
        .collect::<Vec<_>>();
    let store: Vec<_> = E::key_columns().iter().map(IdenStatic::as_str).collect();
    assert_eq!(store, source);
    assert_eq!(store.len(), 8);
}

entity!(no_rule);
entity!(pascal, rename_all = "PascalCase");
entity!(camel, rename_all = "camelCase");
entity!(snake, rename_all = "snake_case");
entity!(kebab, rename_all = "kebab-case");
entity!(shouty_snake, rename_all = "SCREAMING_SNAKE_CASE");
entity!(shouty_kebab, rename_all = "SCREAMING-KEBAB-CASE");
entity!(lower, rename_all = "lowercase");
entity!(upper, rename_all = "UPPERCASE");
entity!(title, rename_all = "title_case");
entity!(mixed, rename_all = "mixed_case");
