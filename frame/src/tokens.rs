//! Tokens of expressions: equal expressions give equal names, so that equal work runs once.
//!
//! An expression is hashed part by part. Closures, which hide what they do, and whole columns as literals, which would have to be read, have no token; a step that
//! holds one gets a name of its own, which costs nothing but a chance to share work.

use arras_core::{Token, Tokenizer};
use polars::prelude::{AggExpr, DataType, Expr, LiteralValue};
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
            Expr::Cast { expr, dtype: DataTypeExpr::Literal(dtype), options } => {
                tokenizer.text("cast").value(dtype).ok()?.hashed(options);
                stack.push(expr);
            }
            // What polars can write of a function are its name and options; of a closure it can write nothing.
            Expr::Function { input, function } => {
                tokenizer.text("function").number(input.len() as u64).value(function).ok()?;
                stack.extend(input);
            }
            Expr::RenameAlias { expr, function } => {
                tokenizer.text("rename").value(function).ok()?;
                stack.push(expr);
            }
            Expr::KeepName(input) => {
                tokenizer.text("keep name");
                stack.push(input);
            }
            Expr::Selector(selector) => {
                tokenizer.text("selector").value(selector).ok()?;
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
        LiteralValue::Scalar(scalar) if is_plain(scalar.dtype()) => tokenizer.text("scalar").value(scalar).ok()?,
        _ => return None,
    };
    Some(())
}

/// Whether a value of the type is written as itself alone, in a few bytes.
fn is_plain(dtype: &DataType) -> bool {
    dtype.is_primitive_numeric() || dtype.is_temporal() || matches!(dtype, DataType::Boolean | DataType::String | DataType::Null)
}

#[cfg(test)]
mod tests {
    use polars::prelude::{Categories, NULL, NamedFrom, PlanCallback, Scalar, Series, TimeUnit, all, col, cols, len, lit, when};

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
                col("a").cast(DataType::Datetime(TimeUnit::Milliseconds, None)),
                col("a").cast(DataType::Datetime(TimeUnit::Nanoseconds, None)),
                col("a").cast(DataType::from_categories(Categories::global())),
                lit(Scalar::null(DataType::Int8)),
                lit(Scalar::new_date(1)),
                lit(Scalar::new_duration(1, TimeUnit::Nanoseconds)),
                lit(Scalar::new_duration(1, TimeUnit::Milliseconds)),
                col("a").fill_null(lit(1)),
                col("a").fill_null(lit(2)),
                col("a").is_null(),
                col("a").is_not_null(),
                col("a").not(),
                col("a").str().starts_with(lit("b")),
                col("a").str().ends_with(lit("b")),
                col("a").is_in(col("b"), true),
                col("a").is_in(col("b"), false),
                col("a").name().suffix("b"),
                col("a").name().prefix("b"),
                col("a").name().keep(),
                all().as_expr(),
                cols(["a", "b"]).as_expr(),
                cols(["b", "a"]).as_expr(),
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
        assert!(expr_token(&col("a").map(Ok, |_, field| Ok(field.clone()))).is_none());
        assert!(expr_token(&col("a").name().map(PlanCallback::new(Ok))).is_none());
        assert!(expr_token(&lit(Series::new("s".into(), [1, 2]))).is_none());
    }
}
