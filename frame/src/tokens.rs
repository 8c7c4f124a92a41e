//! Tokens of expressions: equal expressions give equal names, so that equal work runs once.
//!
//! An expression is hashed part by part. Parts that hide what they do (functions of polars with options, closures, whole columns as literals) have no token;
//! a step that holds one gets a name of its own, which costs nothing but a chance to share work.

use arras_core::{Token, Tokenizer};
use polars::prelude::{AggExpr, AnyValue, DataType, Expr, LiteralValue};
use polars_plan::dsl::DataTypeExpr;
use polars_plan::plans::DynLiteralValue;

/// The token of an expression, if every part of it can be seen. Walks with a stack of its own: an expression can be deep.
pub(crate) fn expr_token(expr: &Expr) -> Option<Token> {
    let mut tokenizer = Tokenizer::new();
    let mut stack = vec![expr];
    // Each part says what it is before its inputs follow, so no two expressions hash alike.
    while let Some(part) = stack.pop() {
        match part {
            Expr::Column(name) => {
                tokenizer.text("column").text(name);
            }
            Expr::Alias(input, name) => {
                tokenizer.text("alias").text(name);
                stack.push(input);
            }
            Expr::Literal(literal) => hash_literal(literal, &mut tokenizer)?,
            Expr::BinaryExpr { left, op, right } => {
                tokenizer.text("binary").hashed(op);
                stack.extend([&**left, &**right]);
            }
            Expr::Cast { expr, dtype: DataTypeExpr::Literal(dtype), options } if is_plain(dtype) => {
                tokenizer.text("cast").text(&format!("{dtype:?}")).hashed(options);
                stack.push(expr);
            }
            Expr::Ternary { predicate, truthy, falsy } => {
                tokenizer.text("ternary");
                stack.extend([&**predicate, &**truthy, &**falsy]);
            }
            Expr::Filter { input, by } => {
                tokenizer.text("filter");
                stack.extend([&**input, &**by]);
            }
            Expr::Agg(aggregate) => stack.push(hash_aggregate(aggregate, &mut tokenizer)?),
            Expr::Len => {
                tokenizer.text("len");
            }
            _ => return None,
        }
    }
    Some(tokenizer.finish())
}

fn hash_aggregate<'e>(aggregate: &'e AggExpr, tokenizer: &mut Tokenizer) -> Option<&'e Expr> {
    let (name, flag, input) = match aggregate {
        AggExpr::Sum(input) => ("sum", false, input),
        AggExpr::Mean(input) => ("mean", false, input),
        AggExpr::Min { input, propagate_nans } => ("min", *propagate_nans, input),
        AggExpr::Max { input, propagate_nans } => ("max", *propagate_nans, input),
        AggExpr::Count { input, include_nulls } => ("count", *include_nulls, input),
        _ => return None,
    };
    tokenizer.text(name).number(flag.into());
    Some(input)
}

fn hash_literal(literal: &LiteralValue, tokenizer: &mut Tokenizer) -> Option<()> {
    match literal {
        LiteralValue::Dyn(DynLiteralValue::Int(value)) => tokenizer.text("dynamic integer").text(&value.to_string()),
        LiteralValue::Dyn(DynLiteralValue::Float(value)) => tokenizer.text("dynamic float").number(value.to_bits()),
        LiteralValue::Dyn(DynLiteralValue::Str(value)) => tokenizer.text("dynamic text").text(value),
        LiteralValue::Scalar(scalar) if is_plain(scalar.dtype()) => {
            tokenizer.text("scalar").text(&format!("{:?}", scalar.dtype()));
            match scalar.value() {
                AnyValue::Null => tokenizer.text("null"),
                AnyValue::Boolean(value) => tokenizer.text("boolean").number((*value).into()),
                AnyValue::Float32(value) => tokenizer.text("float").number(value.to_bits().into()),
                AnyValue::Float64(value) => tokenizer.text("float").number(value.to_bits()),
                AnyValue::String(value) => tokenizer.text("text").text(value),
                AnyValue::StringOwned(value) => tokenizer.text("text").text(value),
                integer => tokenizer.text("integer").text(&integer.extract::<i128>()?.to_string()),
            }
        }
        _ => return None,
    };
    Some(())
}

/// Whether the name of a type says all of it.
fn is_plain(dtype: &DataType) -> bool {
    dtype.is_primitive_numeric() || matches!(dtype, DataType::Boolean | DataType::String | DataType::Null)
}

#[cfg(test)]
mod tests {
    use polars::prelude::{NULL, Scalar, col, len, lit, when};

    use super::*;

    #[test]
    fn equal_expressions_have_equal_tokens_and_others_have_others() {
        let make = || {
            vec![
                col("a"),
                col("b"),
                lit(1),
                lit(Scalar::from(1i64)),
                lit(Scalar::from(1u8)),
                lit(Scalar::from(1.0)),
                lit(Scalar::from(1.0f32)),
                lit(1.0),
                lit(-0.0),
                lit(0.0),
                lit("1"),
                lit(NULL),
                lit(true),
                col("a") + lit(1),
                lit(1) + col("a"),
                col("a") - lit(1),
                (col("a") + lit(1)) + lit(1),
                col("a") + (lit(1) + lit(1)),
                col("a").sum(),
                col("a").min(),
                col("a").nan_min(),
                col("a").count(),
                col("a").len(),
                len(),
                col("a").alias("b"),
                col("b").alias("a"),
                col("a").cast(DataType::Int32),
                col("a").cast(DataType::Int64),
                col("a").strict_cast(DataType::Int64),
                col("a").filter(col("b")).sum(),
                when(col("a")).then(col("b")).otherwise(lit(1)),
                when(col("b")).then(col("a")).otherwise(lit(1)),
            ]
        };
        let tokens: Vec<Token> = make().iter().map(|expr| expr_token(expr).unwrap()).collect();
        assert_eq!(tokens, make().iter().map(|expr| expr_token(expr).unwrap()).collect::<Vec<_>>());
        for (i, a) in tokens.iter().enumerate() {
            for (j, b) in tokens.iter().enumerate().skip(i + 1) {
                assert_ne!(a, b, "{:?} and {:?}", make()[i], make()[j]);
            }
        }
    }

    #[test]
    fn what_cannot_be_seen_has_no_token() {
        assert!(expr_token(&col("a").fill_null(lit(1))).is_none());
        assert!(expr_token(&col("a").map(Ok, |_, field| Ok(field.clone()))).is_none());
    }
}
