//! What the header of a column says of its values: the name, and the titles in Chinese and English.

use crate::intake::FindingKind;

/// What a header says.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Hints {
    exact: u16,
    related: u16,
    /// A longitude.
    pub longitude: bool,
    /// A latitude.
    pub latitude: bool,
    /// A moment.
    pub moment: bool,
    /// A moment of the record, not of what it is about.
    pub bookkeeping: bool,
    /// Which person, vehicle or device the row is about.
    pub mover: bool,
}

/// Headers that name a kind of personal data, and nothing else.
const EXACT: &[(FindingKind, &[&str])] = &[
    (
        FindingKind::ResidentId,
        &[
            "身份证",
            "身份号码",
            "身份证明号",
            "公民身份",
            "居住证号",
            "永居证",
            "idcard",
            "id card",
            "identity card",
            "identity number",
            "resident id",
            "citizen id",
            "national id",
            "id number",
            "sfz",
            "sfzh",
            "sfzhm",
            "gmsfhm",
        ],
    ),
    (FindingKind::Mobile, &["手机", "移动电话", "mobile", "cellphone", "cell phone", "sjh", "sjhm"]),
    (FindingKind::BankCard, &["银行卡", "信用卡", "借记卡", "bank card", "card number", "card no", "credit card", "debit card", "yhkh"]),
    (FindingKind::Plate, &["车牌", "号牌", "license plate", "licence plate", "plate", "cphm", "hphm"]),
    (FindingKind::Vin, &["车架号", "车辆识别", "vin"]),
    (FindingKind::Email, &["邮箱", "电子邮件", "email", "e mail"]),
    (
        FindingKind::Document,
        &[
            "护照",
            "通行证",
            "军官证",
            "士兵证",
            "驾驶证号",
            "驾照",
            "社保号",
            "社保卡",
            "社会保障号",
            "医保号",
            "医保卡",
            "病历号",
            "病案号",
            "住院号",
            "门诊号",
            "学籍号",
            "passport",
            "driver license",
            "driving licence",
            "social security",
            "medical record",
            "insurance number",
            "patient id",
        ],
    ),
    (
        FindingKind::Name,
        &[
            "姓名",
            "人名",
            "full name",
            "person name",
            "resident name",
            "patient name",
            "student name",
            "contact name",
            "first name",
            "last name",
            "given name",
            "family name",
            "surname",
            "xm",
            "xingming",
        ],
    ),
    (FindingKind::Address, &["住址", "家庭地址", "居住地址", "户籍地址", "home address", "residential address", "residence address"]),
    (FindingKind::Network, &["ip", "ip地址", "mac", "mac地址", "ip address", "ipv4", "ipv6", "mac address", "client ip"]),
];

/// Headers under which personal data may stand beside other things: a telephone number that is a mobile one, a party that is a person.
const RELATED: &[(FindingKind, &[&str])] = &[
    (FindingKind::ResidentId, &["证件号", "证照号", "身份标识", "identity", "id no", "zjhm", "certificate number"]),
    (FindingKind::Mobile, &["电话", "联系方式", "phone", "telephone", "tel", "contact"]),
    (FindingKind::BankCard, &["卡号", "账号", "帐号", "账户", "帐户", "account number", "account no", "bank account"]),
    (FindingKind::Plate, &["车号", "vehicle number", "vehicle no", "car number"]),
    (FindingKind::Document, &["证件号", "证件编号", "document number"]),
    (
        FindingKind::Name,
        &[
            "联系人",
            "负责人",
            "法定代表人",
            "法人代表",
            "经办人",
            "承办人",
            "户主",
            "患者",
            "病人",
            "家长",
            "监护人",
            "申请人",
            "当事人",
            "投诉人",
            "举报人",
            "被告",
            "原告",
            "经营者",
            "业主",
            "医生",
            "医师",
            "教师",
            "老师",
            "学生",
            "居民",
            "员工",
            "职工",
            "书记",
            "主任",
            "站长",
            "校长",
            "院长",
            "contact person",
            "contact",
            "legal representative",
            "owner",
            "applicant",
            "patient",
            "person",
            "resident",
            "teacher",
            "doctor",
            "student",
            "operator name",
            "principal",
            "manager",
            "director",
        ],
    ),
    (FindingKind::Address, &["地址", "住所", "address", "addr", "dz"]),
    (FindingKind::Email, &["mail", "联系方式", "contact"]),
];

/// Headers that speak of persons, and ask for something else.
const NO_NAME: &[&str] = &[
    "名称",
    "单位",
    "机构",
    "公司",
    "企业",
    "类别",
    "类型",
    "人数",
    "数量",
    "职称",
    "学历",
    "职务",
    "年级",
    "organisation",
    "organization",
    "company",
    "type",
    "count",
    "number",
    "level",
];

const LONGITUDE: &[&str] = &["经度", "longitude", "lon", "lng", "long"];
const LATITUDE: &[&str] = &["纬度", "latitude", "lat"];
const MOMENT: &[&str] = &["时间", "时刻", "time", "timestamp", "datetime", "gps time"];
const BOOKKEEPING: &[&str] =
    &["更新", "创建", "发布", "入库", "修改", "updated", "update", "created", "create", "modified", "published", "营业", "opening", "开放"];
const MOVER: &[&str] = &[
    "车牌",
    "号牌",
    "车号",
    "车辆编号",
    "车辆标识",
    "车辆id",
    "司机",
    "驾驶员",
    "用户编号",
    "用户标识",
    "用户id",
    "身份证",
    "人员编号",
    "设备号",
    "设备编号",
    "订单号",
    "订单编号",
    "vehicle",
    "vehicle id",
    "vehicle no",
    "taxi",
    "taxi id",
    "driver",
    "driver id",
    "rider id",
    "user id",
    "device id",
    "imei",
    "imsi",
    "plate",
    "license plate",
    "person id",
    "passenger id",
    "trip id",
    "bike id",
    "order id",
    "resident id",
];

impl Hints {
    /// Reads a column's name and titles.
    pub fn new(name: &str, titles: &[String]) -> Self {
        let headers: Vec<String> = std::iter::once(name).chain(titles.iter().map(String::as_str)).map(words).collect();
        let says = |list: &[&str]| list.iter().any(|word| headers.iter().any(|header| holds(header, word)));
        let bits = |table: &[(FindingKind, &[&str])]| {
            table.iter().filter(|(_, list)| says(list)).fold(0, |bits, (kind, _)| bits | (1u16 << (*kind as u16)))
        };
        let no_name = if says(NO_NAME) { 1 << (FindingKind::Name as u16) } else { 0 };
        Hints {
            exact: bits(EXACT),
            related: bits(RELATED) & !no_name,
            longitude: says(LONGITUDE),
            latitude: says(LATITUDE),
            moment: says(MOMENT) && !says(BOOKKEEPING),
            bookkeeping: says(BOOKKEEPING),
            mover: says(MOVER),
        }
    }

    /// Whether the header speaks of any kind.
    pub fn any_kind(self) -> bool {
        self.exact | self.related != 0
    }

    /// Whether the header names this kind and nothing else.
    pub fn is_exact(self, kind: FindingKind) -> bool {
        self.exact & (1 << (kind as u16)) != 0
    }

    /// Whether the header names this kind, or something that may be of it.
    pub fn is_any(self, kind: FindingKind) -> bool {
        (self.exact | self.related) & (1 << (kind as u16)) != 0
    }
}

/// A header in lower case, its words (also of camelCase) between single spaces, with one at either end.
fn words(header: &str) -> String {
    let mut text = String::from(" ");
    let mut before = ' ';
    for character in header.chars() {
        let border = character.is_ascii_uppercase() && before.is_ascii_lowercase();
        let switch = character.is_ascii() != before.is_ascii();
        if (border || switch) && !text.ends_with(' ') {
            text.push(' ');
        }
        if character.is_alphanumeric() {
            text.extend(character.to_lowercase());
        } else if !text.ends_with(' ') {
            text.push(' ');
        }
        before = character;
    }
    if !text.ends_with(' ') {
        text.push(' ');
    }
    text
}

/// Whether a header holds a word: a Chinese one anywhere, others as whole words.
fn holds(header: &str, word: &str) -> bool {
    if !word.is_ascii() {
        return header.replace(' ', "").contains(word);
    }
    header.match_indices(word).any(|(at, _)| header[..at].ends_with(' ') && header[at + word.len()..].starts_with(' '))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers_are_read_in_both_languages() {
        let cases = [
            ("resident_id", FindingKind::ResidentId, true, true),
            ("idCard", FindingKind::ResidentId, true, true),
            ("居民身份证号", FindingKind::ResidentId, true, true),
            ("证件号码", FindingKind::ResidentId, false, true),
            ("ContactPhone", FindingKind::Mobile, false, true),
            ("联系电话", FindingKind::Mobile, false, true),
            ("移动电话（手机）", FindingKind::Mobile, true, true),
            ("客户IP地址", FindingKind::Network, true, true),
            ("zip", FindingKind::Network, false, false),
            ("hotel", FindingKind::Mobile, false, false),
            ("name", FindingKind::Name, false, false),
            ("名称", FindingKind::Name, false, false),
            ("法定代表人", FindingKind::Name, false, true),
            ("province", FindingKind::Vin, false, false),
            ("负责人", FindingKind::Name, false, true),
            ("负责人单位名称", FindingKind::Name, false, false),
        ];
        for (header, kind, exact, any) in cases {
            let hints = Hints::new(header, &[]);
            assert_eq!((hints.is_exact(kind), hints.is_any(kind)), (exact, any), "{header}");
        }
        let titled = Hints::new("c3", &["患者姓名".to_owned(), "Name".to_owned()]);
        assert!(titled.is_exact(FindingKind::Name));
    }

    #[test]
    fn places_and_moments() {
        assert!(Hints::new("lng", &[]).longitude && Hints::new("起点纬度", &[]).latitude);
        assert!(Hints::new("gps_time", &[]).moment && !Hints::new("update_time", &[]).moment && !Hints::new("更新时间", &[]).moment);
        assert!(Hints::new("vehicle_id", &[]).mover && !Hints::new("platform", &[]).latitude);
    }
}
