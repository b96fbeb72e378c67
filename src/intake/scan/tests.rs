//! Tables of values, and what is said of them.

use std::sync::Arc;

use datafusion::arrow::array::{ArrayRef, BinaryArray, Decimal128Array, Float64Array, Int64Array, StringArray, TimestampMicrosecondArray};
use datafusion::arrow::record_batch::RecordBatch;

use crate::intake::{Declared, FieldType, Finding, FindingKind, FindingLevel, Profile, Profiler};

fn profile_of(columns: Vec<(Declared, ArrayRef)>) -> Profile {
    let (declared, arrays): (Vec<Declared>, Vec<ArrayRef>) = columns.into_iter().unzip();
    let named = declared.iter().map(|column| column.name.clone()).zip(arrays);
    let batch = RecordBatch::try_from_iter(named).unwrap();
    let mut profiler = Profiler::new(&declared);
    profiler.observe(&batch);
    profiler.finish()
}

fn column(name: &str, field_type: FieldType) -> Declared {
    Declared { name: name.to_owned(), field_type: Some(field_type), ..Declared::default() }
}

fn texts(name: &str, values: &[String]) -> Vec<Finding> {
    let array: ArrayRef = Arc::new(StringArray::from_iter_values(values));
    profile_of(vec![(column(name, FieldType::String), array)]).findings
}

fn brief(findings: &[Finding]) -> Vec<(FindingKind, FindingLevel, i64, bool)> {
    findings.iter().map(|finding| (finding.kind, finding.level, finding.matches, finding.masked)).collect()
}

/// A value as free text among 99 others without anything.
fn in_text(value: &str) -> Vec<Finding> {
    let mut values: Vec<String> = (0..99).map(|number| format!("第{number}件，已办结")).collect();
    values.push(format!("来件人{value}，已办结"));
    texts("remark", &values)
}

/// A resident ID of a day, with its check character.
fn resident_id(number: u64) -> String {
    let stem = format!("310104{:04}{:02}{:02}{:03}", 1950 + number % 60, 1 + number % 12, 1 + number % 28, number % 1000);
    let token = |last: &u8| [stem.as_bytes(), &[*last]].concat();
    let today = crate::clock::now().date_naive();
    let valid = b"0123456789X".iter().map(token).find(|token| super::codes::resident_id(token, today) == super::codes::Check::Valid);
    String::from_utf8(valid.unwrap()).unwrap()
}

struct Random(u64);

impl Random {
    fn digits(&mut self, count: usize) -> String {
        let mut text = String::new();
        while text.len() < count {
            self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            text.push(char::from(b'0' + ((self.0 >> 33) % 10) as u8));
        }
        text
    }
}

const SOME: FindingLevel = FindingLevel::Some;
const STRONG: FindingLevel = FindingLevel::Strong;

#[test]
fn one_value_in_free_text_is_found_in_any_spelling() {
    let cases = [
        ("11010519491231002X", FindingKind::ResidentId, false),
        ("11010519491231002x", FindingKind::ResidentId, false),
        ("１１０１０５１９４９１２３１００２Ｘ", FindingKind::ResidentId, false),
        ("110105 19491231 002X", FindingKind::ResidentId, false),
        ("110105-1949-1231-002X", FindingKind::ResidentId, false),
        ("'11010519491231002X", FindingKind::ResidentId, false),
        ("1101\u{200B}0519491231002X", FindingKind::ResidentId, false),
        ("310***********1234", FindingKind::ResidentId, true),
        ("310104********002X", FindingKind::ResidentId, true),
        ("310104xxxxxxxx002X", FindingKind::ResidentId, true),
        ("13812345678", FindingKind::Mobile, false),
        ("+86 138 1234 5678", FindingKind::Mobile, false),
        ("138-1234-5678", FindingKind::Mobile, false),
        ("138****5678", FindingKind::Mobile, true),
        ("138 **** 5678", FindingKind::Mobile, true),
        ("138xxxx5678", FindingKind::Mobile, true),
        ("6222600260001072444", FindingKind::BankCard, false),
        ("6222 6002 6000 1072 444", FindingKind::BankCard, false),
        ("6228480402564890018", FindingKind::BankCard, false),
        ("沪A12345", FindingKind::Plate, false),
        ("沪Ａ·１２３４５", FindingKind::Plate, false),
        ("沪AD12345", FindingKind::Plate, false),
        ("1M8GDM9AXKP042788", FindingKind::Vin, false),
        ("zhang.san@example.com", FindingKind::Email, false),
        ("z***@example.com", FindingKind::Email, true),
        ("漕宝路36号2401室", FindingKind::Address, false),
        ("192.168.10.20", FindingKind::Network, false),
        ("2001:db8::8a2e:370:7334", FindingKind::Network, false),
    ];
    for (value, kind, masked) in cases {
        let found = in_text(value);
        assert_eq!(brief(&found), [(kind, SOME, 1, masked)], "{value}");
        assert_eq!(found[0].rows, [100], "{value}");
        assert_eq!(found[0].examples.len(), 1, "{value}");
        assert!(!found[0].examples[0].contains(value) && found[0].examples[0].contains('*'), "{value}: {:?}", found[0].examples);
    }
}

#[test]
fn what_only_looks_like_it_is_no_finding() {
    let cases = [
        "110105194912310021",   // A wrong check character.
        "110105194902300021",   // 30 February.
        "911101051949123100",   // 18 digits, no day of birth.
        "914403001922038216",   // A company.
        "91110108551385082Q",   // Another.
        "6222021234567890123",  // A wrong check digit.
        "4111111111111111",     // Not a card that is paid with here, without a header that says so.
        "021-64391234",         // A landline.
        "02164391234",          // The same.
        "400-820-8820",         // A service number.
        "12345",                // A hotline.
        "12345678901",          // No mobile number.
        "138123456789",         // A longer run of digits.
        "SKU13812345678",       // A code of goods.
        "121.4737013812345678", // Digits behind a point.
        "2025-01-01 10:00:00",  // A moment.
        "沪C12",                // Too short for a plate.
        "漕宝路36号",           // An organisation's address.
        "3号会议室",            // A room in no house.
        "v10.12.13.14",         // A version.
        "550e8400-e29b-41d4-a716-446655440000",
        "张三",      // A name, but the header does not ask for names.
        "E12345678", // A passport, but for the header.
    ];
    for value in cases {
        assert_eq!(brief(&in_text(value)), [], "{value}");
    }
}

#[test]
fn a_column_of_resident_ids_is_strong_and_shows_none_of_them() {
    let ids: Vec<String> = (0..5000).map(resident_id).collect();
    for name in ["c1", "resident_id"] {
        let array: ArrayRef = Arc::new(StringArray::from_iter_values(&ids));
        let profile = profile_of(vec![(column(name, FieldType::String), array)]);
        assert_eq!(brief(&profile.findings), [(FindingKind::ResidentId, STRONG, 5000, false)], "{name}");
        assert_eq!(profile.findings[0].rows, [1, 2, 3, 4, 5]);
        let text = serde_json::to_string(&profile).unwrap();
        assert!(ids.iter().all(|id| !text.contains(id) && !text.contains(&id[6..14])), "{text}");
    }
    // Three rows are no proof, but for the header.
    assert_eq!(brief(&texts("c1", &ids[..3])), [(FindingKind::ResidentId, SOME, 3, false)]);
    assert_eq!(brief(&texts("身份证号", &ids[..3])), [(FindingKind::ResidentId, STRONG, 3, false)]);
}

#[test]
fn values_that_come_again_are_counted_again() {
    // Few different values are looked at once, and counted all the same; also when there come to be many.
    let mut values: Vec<String> = (0..3000).map(|number| resident_id(number % 50)).collect();
    assert_eq!(brief(&texts("c1", &values)), [(FindingKind::ResidentId, STRONG, 3000, false)]);
    values.extend((0..3000).map(|number| format!("K{number}")));
    assert_eq!(brief(&texts("c1", &values)), [(FindingKind::ResidentId, SOME, 3000, false)]);
}

#[test]
fn random_digits_are_no_strong_finding() {
    let mut random = Random(7);
    for length in [11, 13, 15, 16, 17, 18, 19, 20] {
        let values: Vec<String> = (0..50_000).map(|_| random.digits(length)).collect();
        let found = texts("code", &values);
        assert_eq!(brief(&found), [], "{length}");
    }
    // Numbers of orders that begin like resident IDs: region, day, a serial number. One in eleven passes the check.
    let orders: Vec<String> =
        (0..20_000).map(|number| format!("31010420250{}{:02}{}", 1 + number % 9, 1 + number % 28, 1000 + number % 9000)).collect();
    assert!(orders.iter().all(|order| order.len() == 18));
    assert_eq!(brief(&texts("order_no", &orders)), []);
    // A few resident IDs among them are a finding.
    let mut mixed: Vec<String> = (0..1000).map(|number| format!("2{}", random.digits(16 + number % 2))).collect();
    mixed.extend((0..5).map(resident_id));
    assert_eq!(brief(&texts("code", &mixed)), [(FindingKind::ResidentId, SOME, 5, false)]);
}

#[test]
fn legacy_ids_and_permits_need_a_column_of_them() {
    let old: Vec<String> =
        (0..30).map(|number| format!("310104{:02}{:02}{:02}{:03}", 40 + number, 1 + number % 12, 1 + number % 28, number)).collect();
    assert_eq!(brief(&texts("c1", &old)), [(FindingKind::ResidentId, STRONG, 30, false)]);
    assert_eq!(brief(&in_text(&old[0])), []);
    assert_eq!(brief(&texts("身份证号码", &old[..1])), [(FindingKind::ResidentId, STRONG, 1, false)]);
}

#[test]
fn sole_traders_are_told_from_other_organisations() {
    let alphabet = b"0123456789ABCDEFGHJKLMNPQRTUWXY";
    let with = |stem: &str| {
        let all = alphabet.iter().map(|last| format!("{stem}{}", char::from(*last)));
        all.into_iter().find(|code| crate::identity::uscc::check(code).is_ok()).unwrap()
    };
    let traders: Vec<String> = ["92440300192203821", "92310104192203821", "92310105192203821"].map(with).into();
    assert_eq!(brief(&texts("uscc", &traders)), [(FindingKind::SoleTraderCode, SOME, 3, false)]);
    let companies: Vec<String> =
        ["914403001922038216", "9144030071526726XG", "91110108551385082Q", "91310000132260250X"].map(str::to_owned).into();
    assert_eq!(brief(&texts("uscc", &companies)), []);
}

#[test]
fn headers_decide_about_names_documents_and_landlines() {
    let names: Vec<String> = ["张三", "李四", "欧阳明月", "阿卜杜拉·买买提"].map(str::to_owned).into();
    assert_eq!(brief(&texts("姓名", &names)), [(FindingKind::Name, STRONG, 4, false)]);
    assert_eq!(brief(&texts("负责人", &names)), [(FindingKind::Name, STRONG, 4, false)]);
    assert_eq!(brief(&texts("名称", &names)), []);
    let found = texts("姓名", &names);
    assert_eq!(found[0].examples, ["张*", "李*", "欧***", "阿*******"].map(str::to_owned));
    let masked: Vec<String> = ["张*", "李**", "王某"].map(str::to_owned).into();
    assert_eq!(brief(&texts("姓名", &masked)), [(FindingKind::Name, STRONG, 3, true)]);
    let firms: Vec<String> = ["上海某某有限公司", "徐汇区卫生健康委员会", "田林街道"].map(str::to_owned).into();
    assert_eq!(brief(&texts("申请人", &firms)), []);

    let passports: Vec<String> = ["E12345678", "EA1234567"].map(str::to_owned).into();
    assert_eq!(brief(&texts("护照号码", &passports)), [(FindingKind::Document, STRONG, 2, false)]);
    assert_eq!(brief(&texts("证件号码", &passports)), [(FindingKind::Document, STRONG, 2, false)]);
    assert_eq!(brief(&texts("code", &passports)), []);

    let mut phones: Vec<String> = (0..99).map(|number| format!("021-643912{number:02}")).collect();
    assert_eq!(brief(&texts("联系电话", &phones)), []);
    phones.push("13812345678".to_owned());
    assert_eq!(brief(&texts("联系电话", &phones)), [(FindingKind::Mobile, SOME, 1, false)]);
    assert_eq!(brief(&texts("手机", &["10018225957".to_owned()])), [(FindingKind::Mobile, STRONG, 1, false)]);
    assert_eq!(brief(&texts("信用卡号", &["4111111111111111".to_owned()])), [(FindingKind::BankCard, STRONG, 1, false)]);
}

#[test]
fn whole_numbers_are_scanned_too() {
    let found = |values: Vec<i64>| {
        let array: ArrayRef = Arc::new(Int64Array::from(values));
        profile_of(vec![(column("c1", FieldType::Integer), array)])
    };
    let mobiles = found((0..20).map(|number| 13_812_345_678 + number).collect());
    assert_eq!(brief(&mobiles.findings), [(FindingKind::Mobile, STRONG, 20, false)]);
    assert!(mobiles.columns[0].min.is_none() && mobiles.columns[0].top.is_empty() && mobiles.columns[0].quantiles.is_empty());
    let cards = found(vec![6_222_600_260_001_072_444; 12]);
    assert_eq!(brief(&cards.findings), [(FindingKind::BankCard, STRONG, 12, false)]);
    // Amounts are no mobile numbers.
    assert_eq!(found((0..20).map(|number| 11_000_000_000 + number * 1_000_000_000).collect()).findings, []);
    let doubles: ArrayRef = Arc::new(Float64Array::from(vec![13_812_345_678.0; 12]));
    assert_eq!(brief(&profile_of(vec![(column("c1", FieldType::Number), doubles)]).findings), [(FindingKind::Mobile, STRONG, 12, false)]);
    let decimals: ArrayRef = Arc::new(Decimal128Array::from(vec![1_381_234_567_800; 12]).with_precision_and_scale(38, 2).unwrap());
    let declared = Declared { scale: Some(2), ..column("c1", FieldType::Decimal) };
    assert_eq!(brief(&profile_of(vec![(declared, decimals)]).findings), [(FindingKind::Mobile, STRONG, 12, false)]);
    assert_eq!(found((0..20).map(|number| 310_104_003_001 + number).collect()).findings, []);
    assert_eq!(found((0..20).map(|number| 1_767_225_600_000 + number).collect()).findings, []);
}

#[test]
fn whereabouts_need_a_place_and_somebody_or_a_moment() {
    let lon: ArrayRef = Arc::new(Float64Array::from_iter_values((0..50).map(|number| 121.430_17 + f64::from(number) * 0.000_13)));
    let lat: ArrayRef = Arc::new(Float64Array::from_iter_values((0..50).map(|number| 31.180_11 + f64::from(number) * 0.000_17)));
    let at: ArrayRef =
        Arc::new(TimestampMicrosecondArray::from_iter_values((0..50).map(|number| 1_735_689_600_000_000 + number * 1_000_000)));
    let who: ArrayRef = Arc::new(StringArray::from_iter_values((0..50).map(|number| format!("T{number}"))));
    let place = || vec![(column("lng", FieldType::Number), Arc::clone(&lon)), (column("纬度", FieldType::Number), Arc::clone(&lat))];
    assert_eq!(profile_of(place()).findings, []);
    let with = |name: &str, field_type, array: &ArrayRef| {
        let mut columns = place();
        columns.push((column(name, field_type), Arc::clone(array)));
        let profile = profile_of(columns);
        let found: Vec<_> = profile.findings.iter().map(|finding| (finding.column.clone(), finding.kind, finding.level)).collect();
        (found, profile.columns[0].quantiles.is_empty())
    };
    let both = |level| vec![("lng".to_owned(), FindingKind::Whereabouts, level), ("纬度".to_owned(), FindingKind::Whereabouts, level)];
    assert_eq!(with("gps_time", FieldType::Datetime, &at), (both(SOME), false));
    assert_eq!(with("vehicle_id", FieldType::String, &who), (both(STRONG), true));
    assert_eq!(with("update_time", FieldType::Datetime, &at).0, []);
    assert_eq!(with("station", FieldType::String, &who).0, []);
    // A list of places may name whom to call there.
    let phone: ArrayRef = Arc::new(StringArray::from_iter_values((0..50).map(|number| format!("021-643912{number:02}"))));
    assert_eq!(with("phone", FieldType::String, &phone).0, []);
    let coarse: ArrayRef = Arc::new(Float64Array::from(vec![121.43; 50]));
    let columns = vec![
        (column("lng", FieldType::Number), coarse),
        (column("lat", FieldType::Number), Arc::clone(&lat)),
        (column("vehicle_id", FieldType::String), Arc::clone(&who)),
    ];
    assert_eq!(profile_of(columns).findings, []);
}

#[test]
fn points_are_places_too() {
    let point = |number: i32| {
        let (east, north) = (121.430_17 + f64::from(number) * 0.000_13, 31.180_11 + f64::from(number) * 0.000_17);
        [&[1, 1, 0, 0, 0][..], &east.to_le_bytes(), &north.to_le_bytes()].concat()
    };
    let points: ArrayRef = Arc::new(BinaryArray::from_iter_values((0..50).map(point)));
    let who: ArrayRef = Arc::new(StringArray::from_iter_values((0..50).map(|number| format!("T{number}"))));
    let found = |name: &str| {
        let columns =
            vec![(column("geometry", FieldType::Geometry), Arc::clone(&points)), (column(name, FieldType::String), Arc::clone(&who))];
        brief(&profile_of(columns).findings)
    };
    assert_eq!(found("vehicle_id"), [(FindingKind::Whereabouts, STRONG, 50, false)]);
    assert_eq!(found("station"), []);
}

#[test]
fn a_cleared_column_is_reported_and_keeps_its_values() {
    let array: ArrayRef = Arc::new(StringArray::from(vec!["漕宝路36号2401室"; 12]));
    let declared = Declared { cleared: true, ..column("住所", FieldType::String) };
    let profile = profile_of(vec![(declared.clone(), Arc::clone(&array))]);
    assert_eq!(brief(&profile.findings), [(FindingKind::Address, STRONG, 12, false)]);
    assert!(profile.findings[0].cleared);
    assert_eq!(profile.columns[0].min.as_deref(), Some("漕宝路36号2401室"));
    let uncleared = profile_of(vec![(Declared { cleared: false, ..declared }, array)]);
    assert!(!uncleared.findings[0].cleared && uncleared.columns[0].min.is_none() && uncleared.columns[0].top.is_empty());
}
