//! Names of persons. Too many words look like one, so that only columns whose header speaks of persons are searched.

/// Frequent family names of one character.
const SURNAMES: &str = "王李张刘陈杨黄赵吴周徐孙马朱胡郭何林高罗郑梁谢宋唐许韩邓冯曹彭曾肖田董潘袁蔡蒋余于杜叶程魏苏吕丁任卢姚沈钟姜崔谭陆范汪廖石金韦贾\
夏付方邹熊白孟秦邱侯江尹薛闫雷龙黎史陶贺毛段郝顾龚邵万覃武钱戴严莫孔向常汤康易乔赖文施洪庞兰殷季翟安倪葛牛岳申耿梅樊俞鲁柳柴凌\
欧祝左鲍聂齐庄辛管裴焦屈蓝路解关费苗卓丰苑阎傅童项温穆应尚伍华祁纪舒毕阮柯詹詹臧游盛涂骆卞成娄霍单仇边车古甘景党宫包盖桂\
靳卜房邢宁尤荣冉鞠谷牟乐窦郎巩滕晏桑楚饶闵刁虞简佟沙敖隋候裘支池丛全佘班宗仲卫屠干符郁冷井计茅蔺饶商佴匡艾麦查冼谈褚计幸蒙\
宿代戚储燕封练巫鄢仝练强智花喻奚郦湛苟阳萧肖涂来经麻都居巴封言宣邬练姬";

/// Family names of two characters.
const COMPOUND: &[&str] = &[
    "欧阳", "上官", "司马", "诸葛", "司徒", "东方", "皇甫", "尉迟", "公孙", "慕容", "令狐", "夏侯", "轩辕", "长孙", "宇文", "端木", "南宫",
    "独孤", "百里", "钟离", "淳于", "单于", "太史", "申屠", "公羊", "澹台", "赫连", "呼延", "闻人", "东郭", "西门", "万俟", "拓跋", "第五",
    "完颜", "纳兰", "爱新",
];

/// Ends of words that look like a name of four characters, and are organisations or places.
const OTHER_ENDS: &[&str] = &[
    "公司",
    "中心",
    "街道",
    "学校",
    "医院",
    "银行",
    "集团",
    "科技",
    "商店",
    "超市",
    "委会",
    "政府",
    "大学",
    "中学",
    "小学",
    "社区",
    "小区",
    "支队",
    "派出所",
    "经营部",
    "协会",
    "厂",
    "局",
    "镇",
    "区",
    "县",
    "市",
    "路",
    "村",
];

/// What a value in a column of names is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Named {
    /// No name.
    Other,
    /// A name.
    Name,
    /// A name with a part left out: 张*, 李某某, 王女士.
    Masked,
}

/// Reads a value of a column of names; several names may stand in one. `exact` says that the header asks for nothing but names, so that
/// names without a known family name are believed as well.
pub fn read(text: &str, exact: bool) -> Named {
    let mut found = Named::Other;
    for part in text.split(['、', ',', ';', '/', '，', '；']) {
        let named = one(part.trim_matches([' ', '\'']), exact);
        if named == Named::Name || found == Named::Other {
            found = named;
        }
        if found == Named::Name {
            break;
        }
    }
    found
}

fn one(text: &str, exact: bool) -> Named {
    let characters: Vec<char> = text.chars().filter(|character| *character != ' ').take(32).collect();
    let Some(first) = characters.first() else { return Named::Other };
    let han = characters.iter().take_while(|character| is_han(**character)).count();
    let joined: String = characters.iter().collect();
    if let Some(named) = partly(&characters, &joined) {
        return named;
    }
    if characters.len() == han {
        let compound = COMPOUND.iter().any(|surname| joined.starts_with(surname));
        let known = match han {
            2 | 3 => SURNAMES.contains(*first) || compound,
            4 => SURNAMES.contains(*first) || compound,
            _ => false,
        };
        let other = OTHER_ENDS.iter().any(|end| joined.ends_with(end)) && han > 2;
        return if (known || (exact && (2..=4).contains(&han))) && !other { Named::Name } else { Named::Other };
    }
    // 阿卜杜拉·买买提
    let dotted = characters.iter().all(|character| is_han(*character) || *character == '·') && han >= 1 && characters.last() != Some(&'·');
    // Persons that are numbered in place of a name, and names in Latin letters: only where the header asks for names.
    let numbered = (2..=6).contains(&han) && characters.len() <= han + 8 && characters[han..].iter().all(char::is_ascii_digit);
    if dotted || (exact && (numbered || is_latin(text))) { Named::Name } else { Named::Other }
}

fn partly(characters: &[char], joined: &str) -> Option<Named> {
    let length = characters.len();
    let starred = characters.contains(&'*') && characters.iter().all(|character| is_han(*character) || *character == '*');
    if starred {
        return (length <= 5 && characters.iter().any(|character| is_han(*character))).then_some(Named::Masked);
    }
    let surname = characters.first().is_some_and(|first| SURNAMES.contains(*first));
    let some = surname && (2..=3).contains(&length) && characters[1..].iter().all(|character| *character == '某');
    let title = surname && (2..=4).contains(&length) && ["先生", "女士", "小姐", "同志"].iter().any(|end| joined.ends_with(end));
    (some || title).then_some(Named::Masked)
}

fn is_latin(text: &str) -> bool {
    let words: Vec<&str> = text.split(' ').filter(|word| !word.is_empty()).collect();
    let name = |word: &&str| {
        word.starts_with(|first: char| first.is_uppercase()) && word.chars().all(|letter| letter.is_alphabetic() || "-'.".contains(letter))
    };
    (2..=4).contains(&words.len()) && words.iter().all(name) && !words.iter().any(|word| word.chars().any(is_han))
}

fn is_han(character: char) -> bool {
    matches!(character, '\u{4E00}'..='\u{9FFF}' | '\u{3400}'..='\u{4DBF}' | '\u{20000}'..='\u{2FA1F}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_told_from_other_words() {
        let cases = [
            ("张三", false, Named::Name),
            ("王 五", false, Named::Name),
            ("欧阳明月", false, Named::Name),
            ("阿卜杜拉·买买提", false, Named::Name),
            ("张三、李四", false, Named::Name),
            ("张*", false, Named::Masked),
            ("*三", false, Named::Masked),
            ("李某某", false, Named::Masked),
            ("王女士", false, Named::Masked),
            ("黄浦区", false, Named::Other),
            ("徐汇区政府", false, Named::Other),
            ("上海某某公司", false, Named::Other),
            ("江南超市", false, Named::Other),
            ("合成居民00243", true, Named::Name),
            ("合成居民00243", false, Named::Other),
            ("Zhang San", true, Named::Name),
            ("Zhang San", false, Named::Other),
            ("", true, Named::Other),
            ("12345", true, Named::Other),
        ];
        for (text, exact, wanted) in cases {
            assert_eq!(read(text, exact), wanted, "{text}");
        }
    }
}
