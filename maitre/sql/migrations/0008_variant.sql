-- Which way of a router's A/B split a turn went, as `auto:b`; empty where there was none.

alter table ledger add column variant text not null default '';
