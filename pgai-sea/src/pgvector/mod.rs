mod dimensions;

pub(crate) use self::dimensions::{Dimensions, VectorFault, check_vector};
