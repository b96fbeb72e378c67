//! Queries of TPC-H over small tables made by hand: exact sums, dates, joins.

use serde_json::{Value, json};

use crate::support::{Folder, TestApp};

async fn tables() -> (TestApp, Folder) {
    let folder = Folder::new();
    let lineitem =
        "l_orderkey,l_quantity,l_extendedprice,l_discount,l_tax,l_returnflag,l_linestatus,l_shipdate,l_commitdate,l_receiptdate,l_shipmode
1,17.00,21168.23,0.04,0.02,N,O,1996-03-13,1996-02-12,1996-03-22,TRUCK
1,36.00,45983.16,0.09,0.06,N,O,1998-09-02,1998-09-01,1998-09-20,MAIL
2,38.00,44694.46,0.06,0.05,A,F,1994-01-28,1994-01-14,1994-02-02,MAIL
3,45.00,54058.05,0.06,0.00,R,F,1994-02-02,1994-01-04,1994-02-23,SHIP
3,290.00,99999999999.99,0.07,0.08,R,F,1994-12-31,1994-12-30,1995-01-01,SHIP
4,30.00,30690.90,0.03,0.08,N,O,1998-09-03,1998-10-01,1998-09-10,SHIP
5,23.99,900.00,0.05,0.01,A,F,1994-06-01,1994-05-01,1994-06-20,MAIL
";
    let orders = "o_orderkey,o_custkey,o_totalprice,o_orderdate,o_orderpriority,o_shippriority
1,1,173665.47,1995-01-02,5-LOW,0
2,2,46929.18,1994-12-01,1-URGENT,0
3,1,193846.25,1993-10-14,2-HIGH,0
4,2,32151.78,1995-10-11,5-LOW,0
5,3,144659.20,1994-07-30,5-LOW,0
";
    let customer = "c_custkey,c_name,c_mktsegment\n1,Customer#1,BUILDING\n2,Customer#2,AUTOMOBILE\n3,Customer#3,BUILDING\n";
    folder.open(
        "lineitem",
        &[
            "l_orderkey:integer",
            "l_quantity:decimal:2",
            "l_extendedprice:decimal:2",
            "l_discount:decimal:2",
            "l_tax:decimal:2",
            "l_returnflag:string",
            "l_linestatus:string",
            "l_shipdate:date",
            "l_commitdate:date",
            "l_receiptdate:date",
            "l_shipmode:string",
        ],
        lineitem,
    );
    folder.open(
        "orders",
        &[
            "o_orderkey:integer",
            "o_custkey:integer",
            "o_totalprice:decimal:2",
            "o_orderdate:date",
            "o_orderpriority:string",
            "o_shippriority:integer",
        ],
        orders,
    );
    folder.open("customer", &["c_custkey:integer", "c_name:string", "c_mktsegment:string"], customer);
    (TestApp::start(Some(folder.path()), &[]).await, folder)
}

/// The rows as CSV, where every digit is to be seen.
async fn csv(app: &TestApp, sql: &str) -> String {
    let body = json!({ "sql": sql });
    let answer = app.send(reqwest::Method::POST, "/api/v1/sql", None, Some(&body), &[("accept", "text/csv")]).await;
    answer.expect(200).text().lines().skip(1).collect::<Vec<_>>().join("\n")
}

#[tokio::test]
async fn sums_of_products_are_exact() {
    let (app, _folder) = tables().await;
    let q1 = "select l_returnflag, l_linestatus, sum(l_quantity) as sum_qty, sum(l_extendedprice) as sum_base_price,
        sum(l_extendedprice * (1 - l_discount)) as sum_disc_price, sum(l_extendedprice * (1 - l_discount) * (1 + l_tax)) as sum_charge,
        avg(l_quantity) as avg_qty, count(*) as count_order from lineitem where l_shipdate <= date '1998-12-01' - interval '90' day
        group by l_returnflag, l_linestatus order by l_returnflag, l_linestatus";
    let wanted = format!(
        "A,F,61.99,45594.46,42867.7924,{},30.995000,2\nN,O,53.00,67151.39,62166.1764,{},26.500000,2\n\
        R,F,335.00,100000054058.04,93000050814.5577,{},167.500000,2",
        charge(&[(4_469_446, 94, 105), (90_000, 95, 101)]),
        charge(&[(2_116_823, 96, 102), (4_598_316, 91, 106)]),
        charge(&[(5_405_805, 94, 100), (9_999_999_999_999, 93, 108)]),
    );
    assert_eq!(csv(&app, q1).await, wanted);
    let q6 = "select sum(l_extendedprice * l_discount) as revenue from lineitem where l_shipdate >= date '1994-01-01'
        and l_shipdate < date '1994-01-01' + interval '1' year and l_discount between 0.06 - 0.01 and 0.06 + 0.01 and l_quantity < 24";
    assert_eq!(csv(&app, q6).await, "45.0000");
    let all = "select sum(l_extendedprice * l_discount) as revenue from lineitem where l_discount between 0.06 - 0.01 and 0.06 + 0.01";
    assert_eq!(csv(&app, all).await, "7000005970.1499");
}

/// The sum of price × (1 - discount) × (1 + tax), from hundredths, by whole numbers.
fn charge(lines: &[(i128, i128, i128)]) -> String {
    let millionths: i128 = lines.iter().map(|(price, kept, taxed)| price * kept * taxed).sum();
    format!("{}.{:06}", millionths / 1_000_000, millionths % 1_000_000)
}

#[tokio::test]
async fn joins_and_subqueries() {
    let (app, _folder) = tables().await;
    let q3 =
        "select l_orderkey, sum(l_extendedprice * (1 - l_discount)) as revenue, o_orderdate, o_shippriority from customer, orders, lineitem
        where c_mktsegment = 'BUILDING' and c_custkey = o_custkey and l_orderkey = o_orderkey and o_orderdate < date '1995-03-15'
        and l_shipdate > date '1995-03-15' group by l_orderkey, o_orderdate, o_shippriority order by revenue desc, o_orderdate limit 10";
    assert_eq!(csv(&app, q3).await, "1,62166.1764,1995-01-02,0");
    let q12 = "select l_shipmode, sum(case when o_orderpriority = '1-URGENT' or o_orderpriority = '2-HIGH' then 1 else 0 end) as high,
        sum(case when o_orderpriority <> '1-URGENT' and o_orderpriority <> '2-HIGH' then 1 else 0 end) as low from orders, lineitem
        where o_orderkey = l_orderkey and l_shipmode in ('MAIL', 'SHIP') and l_commitdate < l_receiptdate and l_shipdate < l_commitdate
        and l_receiptdate >= date '1994-01-01' and l_receiptdate < date '1994-01-01' + interval '1' year group by l_shipmode order by l_shipmode";
    assert_eq!(csv(&app, q12).await, "");
    let late = q12.replace("and l_shipdate < l_commitdate", "");
    assert_eq!(csv(&app, &late).await, "MAIL,1,1\nSHIP,1,0");
    let q18 = "select c_name, c_custkey, o_orderkey, o_orderdate, o_totalprice, sum(l_quantity) from customer, orders, lineitem
        where o_orderkey in (select l_orderkey from lineitem group by l_orderkey having sum(l_quantity) > 300)
        and c_custkey = o_custkey and o_orderkey = l_orderkey group by c_name, c_custkey, o_orderkey, o_orderdate, o_totalprice
        order by o_totalprice desc, o_orderdate limit 100";
    assert_eq!(csv(&app, q18).await, "Customer#1,1,3,1993-10-14,193846.25,335.00");
    let types: Value = app.post("/api/v1/sql", &json!({ "sql": q18 })).await.expect(200).json()["fields"].clone();
    assert_eq!((&types[4]["type"], &types[4]["scale"], &types[3]["type"]), (&json!("decimal"), &json!(2), &json!("date")));
}
