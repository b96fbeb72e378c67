//! The statutory list: what a district has to publish of each dataset that it names, as one table. 公共数据开放清单

use actix_web::http::header::{CACHE_CONTROL, CONTENT_DISPOSITION, CONTENT_TYPE};
use actix_web::{HttpRequest, HttpResponse, get, web};
use bytes::Bytes;
use futures::{Stream, stream};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::open_list::JSON;
use crate::app::App;
use crate::catalog::book::workbook;
use crate::catalog::{DatasetFilter, OpenType, State, Text, UpdateFrequency};
use crate::error::{Error, Result};
use crate::http::kept::{Answers, Made, Turn};
use crate::http::page::{Page, PageQuery};
use crate::http::standards::card::{self, AT_ONCE, Card, Cards};
use crate::identity::Caller;

/// Rows of a sheet below its header.
const MAX_ROWS: i64 = 1_048_575;

/// In which format the list is written.
#[derive(Debug, Clone, Copy, Default, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum OpenListFormat {
    /// In pages.
    #[default]
    Json,
    /// The whole list, UTF-8 with a byte order mark, by which Excel knows it.
    Csv,
    /// The whole list, as an Excel workbook.
    Xlsx,
}

/// How the list is written.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub struct OpenListQuery {
    /// The format.
    #[param(inline)]
    format: Option<OpenListFormat>,
    /// Of JSON, how many datasets at the most.
    #[param(value_type = Option<i64>, minimum = 1, maximum = 1000, example = 100)]
    limit: Option<String>,
    /// Of JSON, `next_cursor` of the page before.
    cursor: Option<String>,
}

/// A line of the statutory list.
#[derive(Debug, Serialize, ToSchema)]
pub struct OpenListRow {
    /// 领域
    theme: Text,
    /// 名称
    title: Text,
    /// 摘要
    description: Text,
    /// 信息资源代码
    #[serde(skip_serializing_if = "Option::is_none")]
    code: Option<String>,
    /// 数据开放主体
    publisher: Text,
    /// 数据项, by their titles
    fields: Vec<Text>,
    /// 数据格式: the formats in which everybody can have it, or a grant gives it.
    formats: Vec<String>,
    /// 开放类型
    open_type: OpenType,
    /// 开放条件
    #[serde(skip_serializing_if = "Option::is_none")]
    conditions: Option<Text>,
    /// 更新频率
    update_frequency: UpdateFrequency,
    /// 开放状态
    state: State,
    /// 标识
    slug: String,
    /// 地址
    page: String,
}

impl OpenListRow {
    fn of(card: &Card) -> Self {
        let entry = &card.dataset.entry;
        let given = entry.open_type == OpenType::Conditional && card.newest.is_some();
        let by_grant = Card::BY_GRANT.into_iter().filter(|_| given).map(|format| format.as_str().to_owned());
        OpenListRow {
            theme: card.theme.name.clone(),
            title: entry.title.clone(),
            description: entry.description.clone(),
            code: entry.code.clone(),
            publisher: card.publisher.name.clone(),
            fields: entry.fields.iter().map(|field| field.title.clone()).collect(),
            formats: card.files.iter().map(|file| file.kind.as_str().to_owned()).chain(by_grant).collect(),
            open_type: entry.open_type,
            conditions: entry.conditions.clone(),
            update_frequency: entry.update_frequency,
            state: card.dataset.state,
            slug: card.dataset.slug.clone(),
            page: card.page.clone(),
        }
    }

    /// Its cells, in the order of [`HEADER`].
    fn cells(&self) -> Vec<String> {
        let both = |text: &Text| format!("{}\n{}", text.zh, text.en);
        vec![
            both(&self.theme),
            both(&self.title),
            both(&self.description),
            self.code.clone().unwrap_or_default(),
            both(&self.publisher),
            self.fields.iter().map(|title| title.zh.as_str()).collect::<Vec<_>>().join("、"),
            self.formats.join("、"),
            open_type(self.open_type).to_owned(),
            self.conditions.as_ref().map(both).unwrap_or_default(),
            frequency(self.update_frequency).to_owned(),
            state(self.state).to_owned(),
            self.slug.clone(),
            self.page.clone(),
        ]
    }
}

/// What the columns of the table are called.
const HEADER: [&str; 13] = [
    "领域",
    "名称",
    "摘要",
    "信息资源代码",
    "数据开放主体",
    "数据项",
    "数据格式",
    "开放类型",
    "开放条件",
    "更新频率",
    "开放状态",
    "标识",
    "地址",
];

fn open_type(open_type: OpenType) -> &'static str {
    match open_type {
        OpenType::Unconditional => "无条件开放",
        OpenType::Conditional => "有条件开放",
        OpenType::Closed => "非开放",
    }
}

fn state(state: State) -> &'static str {
    match state {
        State::Published => "已发布",
        State::Suspended => "暂停开放",
        State::Withdrawn => "已撤回",
    }
}

fn frequency(frequency: UpdateFrequency) -> &'static str {
    match frequency {
        UpdateFrequency::Realtime => "实时",
        UpdateFrequency::Daily => "每日",
        UpdateFrequency::Weekly => "每周",
        UpdateFrequency::Monthly => "每月",
        UpdateFrequency::Quarterly => "每季度",
        UpdateFrequency::HalfYearly => "每半年",
        UpdateFrequency::Yearly => "每年",
        UpdateFrequency::Irregular => "不定期",
        UpdateFrequency::Never => "不更新",
    }
}

/// Show the statutory list
///
/// The list as rules ask for it: theme, name, summary, fields, formats, open type, conditions and update frequency of each dataset, with its
/// publisher and code. JSON comes in pages with both languages; CSV and XLSX are the whole list as one table with Chinese headings.
#[utoipa::path(
    tag = "catalog",
    params(OpenListQuery),
    responses((status = OK, content((Page<OpenListRow> = "application/json"), (String = "text/csv"),
        (Vec<u8> = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"))))
)]
#[get("/open-list")]
pub async fn show_open_list(
    _caller: Caller,
    app: web::Data<App>,
    answers: web::Data<Answers>,
    query: web::Query<OpenListQuery>,
    request: HttpRequest,
) -> Result<HttpResponse> {
    let OpenListQuery { format, limit, cursor } = query.into_inner();
    match format.unwrap_or_default() {
        OpenListFormat::Json => json_page(&app, PageQuery { limit, cursor }).await,
        OpenListFormat::Csv | OpenListFormat::Xlsx if limit.is_some() || cursor.is_some() => {
            Err(Error::invalid("limit", "CSV and XLSX are the whole list: leave `limit` and `cursor` out"))
        }
        OpenListFormat::Csv => csv_file(app).await,
        OpenListFormat::Xlsx => xlsx_file(&app, &answers, &request).await,
    }
}

async fn json_page(app: &web::Data<App>, page: PageQuery) -> Result<HttpResponse> {
    const LIST: &str = "open-list";
    let (limit, after) = (page.limit()?, page.after(LIST)?);
    let found = card::page(app, DatasetFilter::default(), after, limit).await?;
    let rows: Vec<OpenListRow> = found.cards.iter().map(OpenListRow::of).collect();
    let last = rows.last().map(|row| row.slug.clone()).filter(|_| found.more);
    let body = serde_json::to_vec(&Page::new(LIST, rows, found.total, last.as_deref()))?;
    let mut response = HttpResponse::Ok();
    JSON.iter().for_each(|(name, value)| _ = response.insert_header((name.clone(), *value)));
    Ok(response.body(body))
}

async fn first(app: &web::Data<App>) -> Result<Cards> {
    card::page(app, DatasetFilter::default(), None, AT_ONCE).await
}

async fn next(app: &web::Data<App>, found: &Cards) -> Result<Option<Cards>> {
    match found.cards.last().filter(|_| found.more) {
        None => Ok(None),
        Some(last) => Ok(Some(card::page(app, DatasetFilter::default(), Some(last.dataset.slug.clone()), AT_ONCE).await?)),
    }
}

async fn csv_file(app: web::Data<App>) -> Result<HttpResponse> {
    // The first part is made before anything is sent, so that what goes wrong at once is an error with a status.
    let found = first(&app).await?;
    let disposition = "attachment; filename=\"open-list.csv\"";
    Ok(HttpResponse::Ok()
        .insert_header((CONTENT_TYPE, "text/csv; charset=utf-8; header=present"))
        .insert_header((CONTENT_DISPOSITION, disposition))
        .insert_header((CACHE_CONTROL, "no-cache"))
        .streaming(csv_pieces(app, found)))
}

fn csv_pieces(app: web::Data<App>, found: Cards) -> impl Stream<Item = Result<Bytes>> {
    stream::try_unfold((app, Some(found), true), |(app, found, is_first)| async move {
        let Some(found) = found else { return Ok(None) };
        let bytes = csv_of(&found, is_first)?;
        let following = Box::pin(next(&app, &found)).await?;
        Ok(Some((bytes, (app, following, false))))
    })
}

fn csv_of(found: &Cards, is_first: bool) -> Result<Bytes> {
    let mut writer = csv::Writer::from_writer(if is_first { "\u{feff}".as_bytes().to_vec() } else { Vec::new() });
    if is_first {
        writer.write_record(HEADER).map_err(Error::internal)?;
    }
    for card in &found.cards {
        // A spreadsheet takes what begins so for a formula.
        let plain = |text: String| if text.starts_with(['=', '+', '-', '@', '\t', '\r']) { format!("'{text}") } else { text };
        writer.write_record(OpenListRow::of(card).cells().into_iter().map(plain)).map_err(Error::internal)?;
    }
    Ok(writer.into_inner().map_err(|cause| Error::internal(cause.into_error()))?.into())
}

async fn xlsx_file(app: &web::Data<App>, answers: &Answers, request: &HttpRequest) -> Result<HttpResponse> {
    let making = async |turn: Turn| {
        let _turn = turn;
        let mut found = Some(first(app).await?);
        if let Some(found) = found.as_ref().filter(|found| found.total > MAX_ROWS) {
            return Err(Error::TooLarge(format!("the list has {} datasets, and a sheet holds {MAX_ROWS} rows; take csv", found.total)));
        }
        let mut rows = Vec::new();
        while let Some(part) = found.take() {
            rows.extend(part.cards.iter().map(|card| OpenListRow::of(card).cells()));
            found = Box::pin(next(app, &part)).await?;
        }
        let bytes = crate::db::blocking(move || workbook("开放清单", &HEADER, &rows)).await?;
        // Files come to be known without any change of the list.
        Ok(Made { body: bytes, keep: true, until: Some(crate::clock::now_naive() + chrono::Duration::minutes(10)) })
    };
    let body = answers.find_in_turn(app, "open-list xlsx".to_owned(), making).await?;
    let headers = [
        (CONTENT_TYPE, "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"),
        (CONTENT_DISPOSITION, "attachment; filename=\"open-list.xlsx\""),
        (CACHE_CONTROL, "no-cache"),
    ];
    Ok(body.answer(request, &headers))
}
