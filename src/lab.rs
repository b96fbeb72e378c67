//! The data-governance lab: what is found out about data and its use, without giving any of it out. 大数据治理创新实验室

pub mod trace;
